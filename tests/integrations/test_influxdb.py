"""examples/sinks/influxdb with a real InfluxDB 1.x."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.conftest import REPO, MosquittoProcess, free_port, wait_for_port, wait_until

SINK = REPO / "examples" / "sinks" / "influxdb"
EXAMPLES = REPO / "docs" / "examples"

_CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
[http]
bind-address = "127.0.0.1:{port}"
"""


class InfluxDb:
    """A server on 127.0.0.1 that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("influxd") is None:
            pytest.skip("needs InfluxDB, whose package starts a server: apt install influxdb")
        self.port = free_port()
        self._config = folder / "influxdb.conf"
        self._config.write_text(_CONFIG.format(folder=folder, port=self.port, rpc=free_port()))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            ["influxd", "-config", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for_port(self.port)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def ask(self, query: str) -> list[list[Any]]:
        """The rows of the first series that answers a query."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("POST", f"/query?db=darner&epoch=ns&q={quote(query)}")
        result: dict[str, Any] = json.loads(connection.getresponse().read())["results"][0]
        connection.close()
        rows: list[list[Any]] = result["series"][0]["values"] if "series" in result else []
        return rows

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/write?db=darner&precision=ns"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[InfluxDb]:
    server = InfluxDb(tmp_path)
    server.start()
    server.ask("create database darner")
    yield server
    server.kill()


class Loader:
    """load.sh, which can be killed and started again."""

    def __init__(self, broker: MosquittoProcess, database: InfluxDb, folder: Path) -> None:
        self._log = folder / "load.log"
        self._environment = {"MQTT_OPTIONS": f"-p {broker.port}", "INFLUX_URL": database.url}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [SINK / "load.sh"], env=os.environ | self._environment, stderr=log, start_new_session=True
            )

    def said(self) -> str:
        return self._log.read_text()

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture
def loader(own_broker: MosquittoProcess, database: InfluxDb, tmp_path: Path) -> Iterator[Loader]:
    loader = Loader(own_broker, database, tmp_path)
    loader.start()
    yield loader
    loader.kill()


def publish(broker: MosquittoProcess, name: str, *bodies: dict[str, Any]) -> None:
    """Publish messages made from a captured one, one after the other."""
    example = json.loads((EXAMPLES / f"{name}.json").read_text())
    lines = "".join(json.dumps(example["payload"] | body) + "\n" for body in bodies)
    words = ["mosquitto_pub", "-p", str(broker.port), "-q", "1", "-t", example["topic"], "-l"]
    subprocess.run(words, input=lines.encode(), check=True)


def events(*numbers: int) -> list[dict[str, Any]]:
    return [{"number": number, "event_id": f"shop-b-{number}"} for number in numbers]


def stored(database: InfluxDb) -> list[int]:
    return [row[1] for row in database.ask("select number from darner_event order by time")]


@pytest.mark.usefixtures("loader")
def test_events_numbers_and_counts_are_stored_and_none_twice(
    own_broker: MosquittoProcess, database: InfluxDb
) -> None:
    def subscribed() -> bool:
        publish(own_broker, "events", *events(1))
        return stored(database) == [1]

    wait_until(subscribed)
    publish(own_broker, "events", {"label": "a, b = c", **events(2)[0]}, *events(3, 3))
    publish(own_broker, "zone", {"watched": False})
    publish(own_broker, "count", {"total": 6, "classes": {"person": 5, "traffic light": 1}})
    wait_until(lambda: database.ask("select count from darner_count_by_class where label = 'traffic light'"))
    assert stored(database) == [1, 2, 3], "at one time, and apart"
    assert [row[1] for row in database.ask("show tag values from darner_event with key = label")] == [
        "a, b = c",
        "person",
    ]
    zone = json.loads((EXAMPLES / "zone.json").read_text())["payload"]
    asked = "select occupancy, entered, queue_length, watched from darner_zone"
    assert [row[1:] for row in database.ask(asked)] == [
        [zone["occupancy"], zone["entered"], zone["queue"]["length"], False]
    ]
    assert [row[1] for row in database.ask("select total from darner_count")] == [6]


def test_nothing_is_lost_while_the_database_is_away_or_the_loader_is(
    own_broker: MosquittoProcess, database: InfluxDb, loader: Loader
) -> None:
    def subscribed() -> bool:
        publish(own_broker, "events", *events(1))
        return stored(database) == [1]

    wait_until(subscribed)
    database.kill()
    publish(own_broker, "events", *events(*range(2, 302)))
    database.start()
    wait_until(lambda: len(stored(database)) == 301, 30)
    loader.kill()
    publish(own_broker, "events", *events(*range(302, 402)))
    loader.start()
    wait_until(lambda: len(stored(database)) == 401, 30)


def test_what_the_loader_had_read_dies_with_it(
    own_broker: MosquittoProcess, database: InfluxDb, loader: Loader
) -> None:
    def subscribed() -> bool:
        publish(own_broker, "events", *events(1))
        return stored(database) == [1]

    wait_until(subscribed)
    database.kill()
    publish(own_broker, "events", *events(*range(2, 52)))
    wait_until(lambda: "trying again" in loader.said())
    loader.kill()
    database.start()
    loader.start()
    publish(own_broker, "events", *events(52))
    wait_until(lambda: 52 in stored(database))
    assert stored(database) == [1, 52], "as docs/how-to/sinks.md says"
