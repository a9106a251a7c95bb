from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest

from shared import log
from shared.secrets import known


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


def test_the_name_of_a_file_that_is_not_utf_8_is_logged_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    log.setup("INFO", "json")
    logging.getLogger("darner.x").warning("cannot read %s", "caf\udce9.mp4")
    said = json.loads(capsys.readouterr().err)
    assert said["message"] == "cannot read caf\\udce9.mp4"


def test_a_line_that_cannot_be_written_shows_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    known.keep("correct horse")
    log.setup()
    logging.getLogger("darner.x").warning("port %d of %s", "correct horse", "rtsp://me:pw@cam/1")
    said = capsys.readouterr().err
    assert "a log line of darner.x (test_log.py:" in said
    assert "correct horse" not in said and "me:pw" not in said


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_line_and_no_traceback_shows_a_secret(
    form: log.Format, capsys: pytest.CaptureFixture[str]
) -> None:
    known.keep("correct horse")
    log.setup("INFO", form)
    said = logging.getLogger("darner.x")
    said.warning("cannot open %s with %r", "rtsp://me:p@ss@cam/1", "correct horse")
    try:
        raise ValueError("https://me:word1@cam/2", {"auth": b"correct horse"})
    except ValueError:
        said.exception("it failed")
        said.warning("again", exc_info=True, stack_info=True)
    shown = capsys.readouterr().err
    assert "rtsp://cam/1" in shown
    assert not [word for word in ("ss@", "me:", "word1", "correct horse") if word in shown], shown


@pytest.mark.parametrize("where", ["main", "thread"])
def test_an_error_that_nothing_handles_is_logged_without_secrets(where: str) -> None:
    program = f"""
import threading
from shared import log
from shared.secrets import known
log.setup("INFO", "json")
def fail():
    raise OSError("http://me:word1@cam/2")
threading.Thread(target=fail).start() if {where == "thread"} else fail()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    (line,) = done.stderr.splitlines()
    assert "OSError: http://cam/2" in json.loads(line)["error"]


def test_people_get_text(capsys: pytest.CaptureFixture[str]) -> None:
    log.setup("INFO")
    logging.getLogger("darner.x").info("hello")
    assert capsys.readouterr().err.endswith("INFO    darner.x: hello\n")
