"""Pictures of alerts: they come just before the alert; those of older nodes, at times a moment after it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from viewer_server.notify.alert import KeptAlert
from viewer_server.stored import snapshots
from viewer_server.stored.reading import Database, Reader, Unavailable

AT_ONCE_BYTES = 8_000_000
"""Bytes of pictures that are read at once; one more may be read than fits."""


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

    def there(self, alerts: Sequence[KeptAlert]) -> dict[int, bytes]:
        """The pictures that have come already, by the indices of their alerts."""
        found: dict[int, bytes] = {}
        if not self._database.exists or all(one.picture is None for one in alerts):
            return found
        room = AT_ONCE_BYTES
        with suppress(Unavailable), self._database.reading() as db:
            for index, alert in enumerate(alerts):
                jpeg = _read(db, alert) if room > 0 else None  # else they are looked for a moment later
                if jpeg is not None:
                    found[index] = jpeg
                    room -= len(jpeg)
        return found

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
        found: dict[int, bytes] = {}
        room = AT_ONCE_BYTES
        with self._database.reading() as db:
            for number, alert in missing:
                jpeg = _read(db, alert) if room > 0 else None
                if jpeg is not None:
                    found[number] = jpeg
                    room -= len(jpeg)
        self.settled(set(late) - found.keys())
        return found

    def settled(self, numbers: Iterable[int]) -> None:
        """Look for these no more, and let their alerts be sent."""
        with self._lock:
            for number in numbers:
                self._missing.pop(number, None)


def _read(db: Reader, alert: KeptAlert) -> bytes | None:
    if alert.picture is None:
        return None
    return snapshots.picture(db, alert.node, alert.camera or "", alert.picture, alert.session)
