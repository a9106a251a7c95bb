"""Who is in which zone of one camera, by its events."""

from __future__ import annotations

import dataclasses
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable, Mapping

from shared.rules.rule import Key
from shared.wire.messages import Event

STAYS = 10_000
"""The most stays of one camera that are known; beyond it, the one that began first is forgotten."""


class Inside:
    """The open stays of one camera, each with the event that began it.

    Attributes:
        totals: How many objects are in each zone.
        forgotten: How many stays there was no room for.
    """

    def __init__(self) -> None:
        self._stays: OrderedDict[Key, Event] = OrderedDict()
        self._labels: dict[str, Counter[str | None]] = {}
        self.totals: Counter[str] = Counter()
        self.forgotten = 0

    def enter(self, zone: str, track: int, event: Event) -> Key | None:
        """Begin a stay; return the stay that was forgotten for it."""
        key = zone, track
        if key in self._stays:
            self.leave(zone, track)
        self._stays[key] = event
        if zone not in self._labels:
            self._labels[zone] = Counter()
        self._labels[zone][event.label] += 1
        self.totals[zone] += 1
        if len(self._stays) <= STAYS:
            return None
        self.forgotten += 1
        oldest = next(iter(self._stays))
        self.leave(*oldest)
        return oldest

    def leave(self, zone: str, track: int) -> None:
        """End a stay, if it is known."""
        event = self._stays.pop((zone, track), None)
        if event is None:
            return
        labels = self._labels[zone]
        labels[event.label] -= 1
        self.totals[zone] -= 1
        if not labels[event.label]:
            del labels[event.label]

    def follow(self, zone: str, old: int, new: int) -> None:
        """Let another track go on with a stay."""
        if (event := self._stays.pop((zone, old), None)) is not None:
            self._stays[zone, new] = dataclasses.replace(event, track_id=new)

    def stays(self) -> Iterable[tuple[Key, Event]]:
        """The open stays, each with the event that began it."""
        return self._stays.items()

    def of_classes(self, zone: str, classes: Collection[str]) -> int:
        """How many objects in a zone are of these classes."""
        labels: Mapping[str | None, int] = self._labels.get(zone, {})
        return sum(count for label, count in labels.items() if label in classes)

    def keep(self, zones: Collection[str]) -> None:
        """Forget the stays in all other zones."""
        for key in [key for key in self._stays if key[0] not in zones]:
            self.leave(*key)
        self._labels = {zone: labels for zone, labels in self._labels.items() if zone in zones}
        self.totals = Counter({zone: total for zone, total in self.totals.items() if zone in zones})
