"""One Home Assistant for each file of tests; in `make test` there is none, and only the judge is tested."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.homeassistant.house.site import Site

HERE = Path(__file__).parent
PROGRAM = os.environ.get("HOMEASSISTANT_PROGRAM")
"""Path of Home Assistant's program, as `make test-homeassistant` sets it: its environment has 1 GB."""

if not PROGRAM:
    needing = ("alerts", "entities", "everything", "examples", "gone", "restarts", "statistics")
    collect_ignore = [f"test_{name}.py" for name in needing]

SET_UP_WITHIN_S = 600
"""The first test of a file waits for all that is started, for Home Assistant alone `START_WITHIN_S`."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test that needs Home Assistant the time that its start may take."""
    for item in items:
        needs = item.path.parent == HERE and "site" in getattr(item, "fixturenames", ())
        if needs and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(SET_UP_WITHIN_S))


@pytest.fixture(scope="module")
def site(people_video: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Broker, camera, node and Home Assistant, which has found the node."""
    assert PROGRAM is not None
    folder = tmp_path_factory.mktemp("site")
    with Site(folder, Path(PROGRAM), people_video) as site:
        site.start()
        yield site
    if kept := os.environ.get("HOMEASSISTANT_KEEP"):
        shutil.copytree(folder, Path(kept) / folder.name, dirs_exist_ok=True)
