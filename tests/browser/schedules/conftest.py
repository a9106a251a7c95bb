"""One broker and one viewer for the tests of a file; each test has a node of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.schedules.calendars import PREFIX, CalendarEdge
from tests.conftest import Mosquitto
from tests.viewer_server.process import ViewerProcess


@pytest.fixture(scope="module")
def viewer(broker: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ViewerProcess]:
    """Receives every frame, also before a page looks."""
    folder = tmp_path_factory.mktemp("viewer")
    with ViewerProcess(broker.url, folder, f"mqtt.prefix={PREFIX}") as process, process.watching():
        yield process


@pytest.fixture
def edge(broker: Mosquitto, request: pytest.FixtureRequest) -> Iterator[CalendarEdge]:
    """The node whose calendar the tests change. The broker keeps nothing of it for the next test."""
    session = request.node.name[:30].replace("[", "-")
    capabilities = ("masks", "names", "calendar", "health")
    node = CalendarEdge(broker.url, session=session, prefix=PREFIX, capabilities=capabilities)
    with node:
        yield node
        node.client.clear_state(PREFIX)
