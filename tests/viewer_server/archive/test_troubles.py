"""What is wrong with the database is said once, also where two threads meet it."""

from __future__ import annotations

import pytest

psycopg = pytest.importorskip("psycopg", reason="the extra postgres")

from viewer_server.archive.database import Place  # noqa: E402 - these import psycopg
from viewer_server.archive.troubles import Troubles  # noqa: E402


def test_a_thread_that_gets_on_does_not_end_the_trouble_of_another(caplog: pytest.LogCaptureFixture) -> None:
    troubles = Troubles(Place("", "s", "database 'd'"))
    full = psycopg.errors.DiskFull("could not extend file")
    for _ in range(3):
        troubles.say("worker", full)
        troubles.say("leader", full)
        troubles.over("leader")
    assert caplog.text.count("could not extend file; make room on the server's disk") == 1
    assert "works again" not in caplog.text
    troubles.over("worker")
    troubles.over("worker")
    assert caplog.text.count("works again") == 1
