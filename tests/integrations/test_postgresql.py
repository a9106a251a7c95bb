"""examples/sinks/postgresql with a real PostgreSQL, broker, node and video."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from shared.wire import topics
from tests.conftest import REPO, MosquittoProcess, wait_until
from tests.integration.test_file_to_mqtt import config, edge, listening
from tests.integrations.postgresql import PostgreSql

SINK = REPO / "examples" / "sinks" / "postgresql"
TOPIC = "darner/v1/box/camera/street/events"


@pytest.fixture
def database() -> Iterator[PostgreSql]:
    with PostgreSql() as server:
        server.run(SINK / "schema.sql")
        server.run(SINK / "schema.sql")  # again, as an update would
        yield server


@contextmanager
def loader(broker: MosquittoProcess, database: PostgreSql) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [SINK / "load.sh"],
        env=os.environ | database.environment | {"MQTT_OPTIONS": f"-p {broker.port}"},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def event(number: int, **more: Any) -> dict[str, Any]:
    example: dict[str, Any] = json.loads((REPO / "docs/examples/events.json").read_text())["payload"]
    ids = {"node": "box", "camera": "street", "boot": "b-1", "number": number, "oldest": 1}
    return example | ids | {"event_id": f"box-b-1-{number}"} | more


def store(database: PostgreSql, *messages: dict[str, Any] | str, topic: str = TOPIC) -> str:
    """What the function that takes a batch says is to be acknowledged."""
    lines = [f"{topic} {m if isinstance(m, str) else json.dumps(m)}".replace("'", "''") for m in messages]
    wanted = ", ".join(f"'{line}'" for line in lines)
    return database.ask(f"select number from darner.store(array[{wanted}])")  # noqa: S608 - quoted above


def test_what_is_acknowledged_has_no_hole_below_it(database: PostgreSql) -> None:
    assert store(database, event(1), event(2)) == "2"
    assert store(database, event(5)) == "2", "3 and 4 are missing"
    assert store(database, event(4)) == "2"
    assert store(database, event(3)) == "5"
    assert store(database, event(3)) == "5", "once more is no harm, and says so"
    assert store(database, event(9, oldest=8)) == "7", "6 and 7 will not come any more"
    gap = {"boot": "b-1", "first": 8, "last": 8, "count": 1}
    assert store(database, event(10, oldest=8, type="gap", gap=gap)) == "10"
    assert (
        database.ask("select string_agg(number::text, ' ' order by number) from darner.event")
        == "1 2 3 4 5 9 10"
    )


def test_a_line_that_is_no_message_holds_up_no_other(database: PostgreSql) -> None:
    strange = event(1, label="it's a \0 name")
    assert store(database, "{", event(1, occurred_us="x"), strange, event(2, node="other"), event(3)) == ""
    assert database.ask("select count(*) from darner.refused") == "4"
    assert store(database, event(1), event(2)) == "3"
    assert store(database, event(4, camera="entrance"), topic=TOPIC) == "", "speaks for another camera"


def test_zeros_of_a_camera_that_is_not_watched_are_marked(database: PostgreSql) -> None:
    zone = json.loads((REPO / "docs/examples/zone.json").read_text())
    for minute, watched in enumerate((True, False)):
        said = zone["payload"] | {"captured_us": minute * 60_000_000, "watched": watched}
        store(database, said, topic=zone["topic"])
    store(database, zone["payload"] | {"captured_us": 120_000_000}, topic=zone["topic"])
    assert database.ask("select watched from darner.zone order by minute").split() == ["t", "f", "t"]
    assert database.ask("select count(*) from darner.refused") == "0"


def test_alerts_and_pauses_are_stored(database: PostgreSql) -> None:
    alert = {"rule": "till", "severity": "warning", "text": "it's full", "trigger": "occupancy"}
    assert store(database, event(1), event(2, type="alert", alert=alert)) == "2"
    assert database.ask("select rule, text from darner.alerts") == "till|it's full"
    assert database.ask("select count(*) from darner.event where alert is null") == "1"
    zone = json.loads((REPO / "docs/examples/zone.json").read_text())
    store(database, zone["payload"] | {"paused": "schedule"}, topic=zone["topic"])
    assert database.ask("select paused from darner.zone") == "schedule"
    assert database.ask("select count(*) from darner.refused") == "0"


def test_everything_is_stored_although_database_loader_and_broker_are_killed(
    own_broker: MosquittoProcess, database: PostgreSql, people_video: Path, tmp_path: Path
) -> None:
    def stored() -> int:
        return int(database.ask("select count(*) from darner.event", check=False) or 0)

    settings = config(own_broker.url, people_video, pace="realtime", loop=True)
    with listening(own_broker.url) as heard, edge(tmp_path, settings):
        with loader(own_broker, database):
            heard.listen_until(lambda: bool(heard.of(topics.ACK)))
            database.kill()
            known = len(heard.of(topics.EVENTS))
            heard.listen_until(lambda: len(heard.of(topics.EVENTS)) >= known + 5)
        # The loader dies with what it had read, and events come while nobody takes them.
        known = len(heard.of(topics.EVENTS))
        heard.listen_until(lambda: len(heard.of(topics.EVENTS)) >= known + 5)
        database.start()
        last = max(m.number for m in heard.of(topics.EVENTS))
        with loader(own_broker, database):
            heard.listen_until(lambda: max(m.number for m in heard.of(topics.ACK)) >= last, 90)
            own_broker.kill()
            own_broker.start()
            before = stored()
            wait_until(lambda: stored() >= before + 5, 60)
    wanted = {m.number: m for m in heard.of(topics.EVENTS) if m.number <= last}
    assert set(wanted) == set(range(1, last + 1)), "the node lost none itself"
    rows = database.ask("select number, type from darner.event order by number").splitlines()[:last]
    assert rows == [f"{number}|{wanted[number].type}" for number in sorted(wanted)]
    assert database.ask("select count(*) from darner.refused") == "0"
    assert int(database.ask("select max(entered) from darner.zone where zone = 'all'")) > 0
    holes = "select p.number - count(*) from darner.progress p join darner.event e on e.number <= p.number"
    assert database.ask(f"{holes} group by p.number") == "0"
