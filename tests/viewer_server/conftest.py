"""Pieces of the viewer for its tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.viewer_server.process import ViewerProcess


@pytest.fixture(scope="module")
def idle_viewer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ViewerProcess]:
    """A viewer that never finds a broker, for tests that leave it as it was."""
    with ViewerProcess("mqtt://127.0.0.1:9", tmp_path_factory.mktemp("viewer")) as process:
        yield process


@pytest.fixture
def viewer(own_broker: Any, tmp_path: Path) -> Iterator[ViewerProcess]:
    """A viewer process on a broker of this test's own."""
    with ViewerProcess(own_broker.url, tmp_path, "http.max_browsers=3") as process:
        process.wait(broker_connected=True)
        yield process
