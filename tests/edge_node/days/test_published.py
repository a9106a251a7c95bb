"""Frames become events and counters of the day that agree, in the outbox's file and over restarts."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from edge_node.analytics.watch import Watch
from edge_node.config.camera_settings import AnalyticsSettings
from edge_node.config.live import LiveStore
from edge_node.config.settings import EdgeConfig, TrackerSettings
from edge_node.days.book import DayBook
from edge_node.outbox.outbox import Outbox
from edge_node.publish.compose import Composer
from edge_node.publish.publisher import Publisher
from edge_node.publish.snapshot_sender import SnapshotSender
from shared.mqtt.client import Client
from shared.settings import convert
from shared.wire.messages import DayCounters, now_us
from tests.conftest import free_port
from tests.edge_node.analytics.test_watch import LEFT, defined, seen
from tests.edge_node.scenes import CLASSES


class Run:
    """One run of a node's camera "door", from its frames to its outbox."""

    def __init__(self, outbox: Outbox, client: Client, config: EdgeConfig) -> None:
        self.days = DayBook({"door": defined()}, lambda _: 0, outbox.days(), now_us())
        outbox.add_all([], self.days.rows)
        snapshots, composer = SnapshotSender(client), Composer("box", "s", CLASSES)
        self._publisher = Publisher(
            client, outbox, snapshots, config, LiveStore(config), composer, days=self.days
        )
        self.watch = Watch(AnalyticsSettings(), defined(), TrackerSettings(), CLASSES)
        self._at_s, self._began_us = 0.0, now_us()

    def look(self, *feet: float, times: int = 1) -> None:
        """See somebody with feet at each of these x."""
        for _ in range(times):
            self._at_s += 0.2
            item = seen(self._at_s, *feet)
            frame = dataclasses.replace(item.frame, captured_ns=self._began_us * 1000 + int(self._at_s * 1e9))
            self._publisher.publish_all([self.watch.update(dataclasses.replace(item, frame=frame))])

    def day(self, place: str = "left") -> DayCounters:
        found = self.days.cameras["door"].of(place)
        assert found is not None
        return found


@contextmanager
def running(folder: Path) -> Iterator[Run]:
    given = {
        "node": "box",
        "mqtt": {"url": f"mqtt://127.0.0.1:{free_port()}"},
        "outbox": {"path": str(folder / "o.db")},
        "cameras": {"door": {"source": "0", "thumbnail": {"fps": 0}}},
    }
    config = convert(EdgeConfig, given, where="test")
    client = Client(config.mqtt, name="edge")
    with Outbox(client, config.outbox, config.node, config.mqtt.prefix, "s") as outbox:
        yield Run(outbox, client, config)


def on_disk(folder: Path, place: str = "left") -> tuple[tuple[int, int], tuple[int, int]]:
    """Entered and exited in the file: by the counters, and by the events since they began."""
    with sqlite3.connect(folder / "o.db") as file:
        row = file.execute("SELECT since_us, flows FROM day_counters WHERE place = ?", (place,)).fetchone()
        payloads = file.execute("SELECT payload FROM events").fetchall()
    file.close()
    if row is None:
        return (0, 0), (0, 0)
    events = [orjson.loads(payload) for (payload,) in payloads]
    flows = list(orjson.loads(row[1]).values())
    since = [one["type"] for one in events if one["zone"] == place and one["occurred_us"] >= row[0]]
    return (
        (sum(flow[0] for flow in flows), sum(flow[1] for flow in flows)),
        (since.count("zone_entered"), since.count("zone_exited")),
    )


def test_the_file_has_as_many_counts_as_events_and_the_next_run_goes_on(tmp_path: Path) -> None:
    with running(tmp_path) as run:
        for x in [*range(50, 150, 4), *range(150, 50, -4)] * 4:  # out of the zone and back, four times
            run.look(x)
        day, line = run.day(), run.day("middle")
        assert (day.entered, day.exited, line.entered + line.exited) == (5, 4, 8)
    assert on_disk(tmp_path) == ((5, 4), (5, 4))
    with running(tmp_path) as run:
        assert (run.day(), run.day("middle")) == (day, line)
        run.look(50, times=5)
        assert run.day().entered == 6
    assert on_disk(tmp_path) == ((6, 4), (6, 4))


def test_a_new_definition_counts_from_its_first_frame_on(tmp_path: Path) -> None:
    with running(tmp_path) as run:
        run.look(50, times=5)
        assert run.day().entered == 1
        run.watch.redefine(defined(2, {"left": dataclasses.replace(LEFT, exit_after_s=0.0)}))
        run.look(50, times=5)
        assert (run.day().entered, run.day().exited) == (1, 0)  # it entered anew; the old stay is not its own
        changed = run.day()
        run.watch.redefine(defined(3, {"left": dataclasses.replace(LEFT, exit_after_s=0.0, name="Links")}))
        run.look(50, times=5)
        assert run.day() == changed
        run.watch.redefine(defined(4, {}))
        run.look(50)
        assert run.days.cameras["door"].of("left") is None
    assert on_disk(tmp_path) == ((0, 0), (0, 0))
