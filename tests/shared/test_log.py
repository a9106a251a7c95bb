from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest

from shared import log


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_a_line_of_json_has_everything_a_collector_asks_for(capsys: pytest.CaptureFixture[str]) -> None:
    log.setup("INFO", "json")
    logging.getLogger("darner.x").warning("camera %s: %s", "a", 'said "no"\nand went')
    logging.getLogger("darner.x").debug("quiet")
    (line,) = capsys.readouterr().err.splitlines()
    entry = json.loads(line)
    assert entry["message"] == 'camera a: said "no"\nand went'
    assert (entry["level"], entry["logger"], entry["thread"]) == ("WARNING", "darner.x", "MainThread")
    age = datetime.now(timezone.utc) - datetime.fromisoformat(entry["time"])
    assert 0 <= age.total_seconds() < 60


def test_an_error_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    log.setup("INFO", "json")
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("darner.x").exception("it failed")
    (line,) = capsys.readouterr().err.splitlines()
    assert "ValueError: broken" in json.loads(line)["error"]


def test_people_get_text(capsys: pytest.CaptureFixture[str]) -> None:
    log.setup("INFO")
    logging.getLogger("darner.x").info("hello")
    assert capsys.readouterr().err.endswith("INFO    darner.x: hello\n")
