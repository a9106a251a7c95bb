"""A viewer's history of some days, as if it had been there: for pages that show what was."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

from shared.mqtt.received import Received
from shared.wire.messages import Event, EventType, ZoneState, now_us
from tests.viewer_server.fake_edge import picture_of
from viewer_server.config import HistorySettings
from viewer_server.stored.history import History
from viewer_server.stored.snapshots import SnapshotStore

HOUR_US = 3_600_000_000
NODE, CAMERA = "test", "yard"


class Past:
    """Writes events into the database of a viewer that is not running."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._settings = HistorySettings(path=str(path))
        self._number = 0
        self.events: list[Event] = []

    def __enter__(self) -> Past:
        self._history = History(self._settings).__enter__()
        self._snapshots = SnapshotStore(self._settings).__enter__()
        assert self._history.is_open
        return self

    def __exit__(self, *error: object) -> None:
        self._history.__exit__()
        self._snapshots.__exit__()

    def event(self, kind: EventType, at_us: int, **more: Any) -> Event:
        self._number += 1
        fields: dict[str, Any] = {
            "node": NODE, "session": "past", "published_us": at_us, "camera": CAMERA, "seq": self._number,
            "captured_us": at_us, "event_id": f"{NODE}-a-{self._number}", "type": kind, "occurred_us": at_us,
            "label": "person", "boot": "a", "number": self._number, "oldest": 1,
        }  # fmt: skip
        made = Event(**(fields | more))
        self._history.add(made)
        self.events.append(made)
        return made

    def hear(self, state: ZoneState) -> None:
        """Numbers of a zone or line, as its node published them."""
        self._history.hear(state)

    def snapshot(self, track: int) -> None:
        ids = {"node": NODE, "camera": CAMERA, "track": str(track)}
        self._snapshots.add(ids, Received("", picture_of(track), 1, False, {"session": "past"}))

    def days(self, days: float, per_hour: int = 30, until_us: int | None = None) -> None:
        """Busy by day and quiet by night: stays in "square", crossings of "gate"."""
        source = random.Random(5)
        end = until_us or now_us()
        stays = []
        for hour in range(int(days * 24)):
            begin = end - (hour + 1) * HOUR_US
            busy = 0.5 - 0.45 * math.cos(2 * math.pi * (begin / HOUR_US % 24) / 24)
            for _ in range(round(per_hour * busy)):
                at = begin + source.randrange(HOUR_US)
                stays.append(
                    (at, min(end - 1, at + int(source.lognormvariate(3.6, 0.9) * 1e6)), source.random())
                )
        happened: list[tuple[int, EventType, dict[str, Any]]] = []
        for track, (entered, left, chance) in enumerate(sorted(stays), 1):
            who = {"track_id": track, "zone": "square"}
            happened.append((entered, "zone_entered", who))
            kind: EventType = "zone_exited" if chance < 0.9 else "zone_lost"
            happened.append((left, kind, who | {"dwell_s": (left - entered) / 1e6}))
            if chance < 0.4:
                way = "in" if chance < 0.25 else "out"
                happened.append((left, "line_crossed", who | {"zone": "gate", "direction": way}))
        for at, kind, more in sorted(happened, key=lambda one: one[0]):  # as a node sends them
            self.event(kind, at, **more)
