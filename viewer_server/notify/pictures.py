"""Pictures of alerts: they come by themselves, before the alert or a moment after it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from viewer_server.notify.alert import KeptAlert
from viewer_server.stored import snapshots
from viewer_server.stored.reading import Database


@dataclass(frozen=True)
class _Expected:
    alert: KeptAlert
    since_s: float


class Pictures:
    """Which alerts still lack their pictures. An alert is sent when its picture is there, or late enough.

    Args:
        database: The stored pictures.
        clock: Seconds, monotonic.
    """

    SEND_S = 5.0
    """How long an alert waits for its picture."""
    KEEP_S = 60.0
    """How long a picture is looked for, to be shown at least."""
    MOST = 1000
    """Maximum alerts that lack their pictures; the oldest of the node that has the most are sent without."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database, self._clock = database, clock
        self._lock = threading.Lock()
        self._missing: dict[int, _Expected] = {}

    @property
    def missing(self) -> int:
        """How many alerts lack their pictures."""
        return len(self._missing)

    def expect(self, number: int, alert: KeptAlert, age_s: float = 0.0) -> None:
        """Look for the picture of an alert that was stored `age_s` seconds ago, if it has one."""
        if alert.picture is None or not self._database.exists:
            return
        with self._lock:
            self._missing[number] = _Expected(alert, self._clock() - age_s)
            while len(self._missing) > self.MOST:
                counts = Counter(one.alert.node for one in self._missing.values())
                [(most, _)] = counts.most_common(1)
                del self._missing[next(n for n, one in self._missing.items() if one.alert.node == most)]

    def ready(self, number: int) -> bool:
        """Whether an alert may be sent."""
        expected = self._missing.get(number)
        return expected is None or self._clock() - expected.since_s >= self.SEND_S

    def look(self) -> dict[int, bytes]:
        """The pictures that have come, by the numbers of their alerts; say `settled` when they are kept.

        Raises:
            Unavailable: The pictures cannot be read.
        """
        with self._lock:
            now_s = self._clock()
            late = [number for number, one in self._missing.items() if now_s - one.since_s >= self.KEEP_S]
            missing = [(number, one.alert) for number, one in self._missing.items()]
        if not missing:
            return {}
        found = {}
        with self._database.reading() as db:
            for number, alert in missing:
                jpeg = snapshots.picture(
                    db, alert.node, alert.camera or "", alert.picture or 0, alert.session
                )
                if jpeg is not None:
                    found[number] = jpeg
        self.settled(set(late) - found.keys())
        return found

    def settled(self, numbers: Iterable[int]) -> None:
        """Look for these no more, and let their alerts be sent."""
        with self._lock:
            for number in numbers:
                self._missing.pop(number, None)
