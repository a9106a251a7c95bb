"""How fast 30 days of history are written, reopened and answered.

    .venv/bin/python tests/bench/viewer/history_queries.py [EVENTS] [FOLDER]

The database is made by the viewer's own code, event by event: four cameras with three zones and a line each,
busy by day and quiet by night. Prints events stored a second, the file's size, the time to open it again, and
p50 and p95 of every kind of query over 30 runs.
"""

from __future__ import annotations

import math
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from shared.wire.messages import Event, EventType, now_us
from viewer_server.config import HistorySettings
from viewer_server.stored import feed, series
from viewer_server.stored.feed import Filter
from viewer_server.stored.history import History
from viewer_server.stored.reading import Database

DAYS = 30
CAMERAS, ZONES = 4, 3
RUNS = 30


def stays(count: int, end_us: int) -> Iterator[tuple[int, EventType, int, str, float | None, str | None]]:
    """Moment, kind, camera, zone, dwell and direction; every fourth one is a crossing, not a stay."""
    random_ = random.Random(1)
    span_us = DAYS * 86_400_000_000
    made: list[tuple[int, EventType, int, str, float | None, str | None]] = []
    while len(made) < count:
        at = random_.random()
        if random_.random() > 0.55 - 0.45 * math.cos(2 * math.pi * (at * DAYS % 1)):
            continue
        at_us = end_us - span_us + int(at * (span_us - 3_600_000_000))
        camera = random_.randrange(CAMERAS)
        if random_.random() < 0.25:
            made.append((at_us, "line_crossed", camera, "door", None, random_.choice(("in", "out"))))
            continue
        zone, dwell_s = f"zone{random_.randrange(ZONES)}", random_.lognormvariate(3, 1)
        made.append((at_us, "zone_entered", camera, zone, 0.0, None))
        kind: EventType = "zone_exited" if random_.random() < 0.9 else "zone_lost"
        made.append((at_us + int(dwell_s * 1e6), kind, camera, zone, dwell_s, None))
    made.sort()
    yield from made


def fill(history: History, count: int, end_us: int) -> float:
    """Store that many events; seconds it took."""
    began = time.perf_counter()
    for number, (at_us, kind, camera, zone, dwell_s, direction) in enumerate(stays(count, end_us), 1):
        history.add(
            Event(
                node="bench", session="s", published_us=at_us, camera=f"camera{camera}", seq=number,
                captured_us=at_us, event_id=f"bench-b-{number}", type=kind, occurred_us=at_us,
                track_id=number, class_id=0, label="person", zone=zone, dwell_s=dwell_s,
                direction=direction if direction in ("in", "out") else None,  # type: ignore[arg-type]  # checked
                snapshot=f"darner/v1/bench/camera/camera{camera}/snapshot/{number}",
                box=(0.1, 0.2, 0.3, 0.4), boot="b", number=number, oldest=1,
            )
        )  # fmt: skip
        if history.due_s == 0.0:
            history.commit()
    history.commit()
    return time.perf_counter() - began


def measure(name: str, query: Callable[[int], object]) -> None:
    """Print how long it takes."""
    took = []
    for turn in range(RUNS):
        began = time.perf_counter()
        query(turn)
        took.append((time.perf_counter() - began) * 1e3)
    print(
        f"{name:48} p50 {np.percentile(took, 50):7.1f} ms   p95 {np.percentile(took, 95):7.1f} ms", flush=True
    )


def ask(database: Database, end_us: int) -> None:
    """Every kind of query."""
    hour = 3_600_000_000

    def zone(days: float, points: int = 300) -> Callable[[int], object]:
        def query(turn: int) -> object:
            begin = end_us - int(days * 24 * hour)
            with database.reading() as db:
                place = series.find(db, "bench", f"camera{turn % CAMERAS}", f"zone{turn % ZONES}")
                return series.series(db, place, begin, end_us, series.step_for(begin, end_us, points))

        return query

    def dwell(days: float) -> Callable[[int], object]:
        def query(turn: int) -> object:
            with database.reading() as db:
                place = series.find(db, "bench", f"camera{turn % CAMERAS}", f"zone{turn % ZONES}")
                return series.stays(db, place, end_us - int(days * 24 * hour) + 123, end_us)

        return query

    def events(wanted: Callable[[int], Filter]) -> Callable[[int], object]:
        def query(turn: int) -> object:
            with database.reading() as db:
                _, more = feed.page(db, wanted(turn), 50)
                return feed.page(db, wanted(turn), 50, more)

        return query

    for label, days in (("1 hour", 1 / 24), ("1 day", 1.0), ("7 days", 7.0), ("30 days", 30.0)):
        measure(f"series of a zone, {label}", zone(days))
        measure(f"stays of a zone, {label}", dwell(days))
    measure("events: two pages, no filter", events(lambda _: Filter()))
    measure("events: two pages of one camera", events(lambda turn: Filter(camera=f"camera{turn % 4}")))
    measure("events: two pages of one zone", events(lambda _: Filter(camera="camera1", zone="zone1")))
    measure("events: two pages of one kind", events(lambda _: Filter(types=("zone_lost",))))
    measure("events: a kind that never happened", events(lambda _: Filter(types=("loitering",))))
    measure("events: a class that never came", events(lambda _: Filter(label="zebra")))
    measure("events: a day three weeks ago", events(lambda _: Filter(to_us=end_us - 21 * 24 * hour)))


def main() -> None:
    """Fill, open again, ask."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(sys.argv[2] if len(sys.argv) > 2 else folder) / "history.db"
        settings = HistorySettings(path=str(path), max_mb=5_000)
        end_us = now_us()
        with History(settings) as history:
            took_s = fill(history, count, end_us)
        print(f"{count} events stored in {took_s:.0f} s: {count / took_s:.0f} a second")
        print(f"the file has {path.stat().st_size / 1e6:.0f} MB")
        began = time.perf_counter()
        with History(settings):
            print(f"opened again in {time.perf_counter() - began:.2f} s")
        ask(Database(path), end_us)


if __name__ == "__main__":
    main()
