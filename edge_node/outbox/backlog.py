"""The backlog: events not yet known to be safe elsewhere, on disk, or in memory while the disk fails."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import orjson

from edge_node.outbox.archives import PATIENCE, Archives, Patience
from edge_node.outbox.day_rows import DayRow
from edge_node.outbox.event_file import EventFile, Row
from edge_node.outbox.pictures import Pictures

MEMORY_BYTES = 16_000_000
"""The most bytes that events may take in memory."""
SHRINK = 0.95
"""A full backlog is cut down to this share of its limit, so that one gap covers many events."""
DROPPED_AT_ONCE = 2000
"""The most events that are given up in one turn of the outbox."""


class Missing(NamedTuple):
    """Events of one boot that were given up.

    Attributes:
        boot: Their boot.
        first: The lowest of their numbers.
        last: The highest of their numbers.
        events: How many events were given up.
        camera: The camera of the first event.
        created_us: When the first event was added, microseconds UTC.
    """

    boot: str
    first: int
    last: int
    events: int
    camera: str
    created_us: int


class Backlog:
    """The events held, bounded by bytes and age. For one thread at a time; `with` opens and closes the file.

    If the disk cannot be written, the backlog tries again every second, and new events wait in memory.

    Args:
        path: The database file; None keeps events in memory only.
        max_bytes: The most bytes that events may take; beyond it the oldest are given up.
        max_age_s: Events older than this are given up, seconds.
        patience: How long an archive may make no progress.

    Attributes:
        max_age_us: Events older than this are given up, microseconds.
        boot: Identifies this opening of the backlog; sorts after the earlier boots of the file.
        count: Events held.
        bytes: Size of the events held.
        memory_bytes: Size of the events that are in memory only.
        dropped: Events given up since the backlog was opened.
        archives: Who stores the events elsewhere; each write to disk saves the archives too.
        pictures: Pictures of the alerts among the events.
    """

    def __init__(
        self,
        path: Path | None,
        max_bytes: int,
        max_age_s: float,
        patience: Patience = PATIENCE,
    ) -> None:
        self._max_bytes, self.max_age_us = max_bytes, int(max_age_s * 1e6)
        self._memory: OrderedDict[int, Row] = OrderedDict()
        self.memory_bytes = 0
        self._gone: set[int] = set()  # ids of removed events that stay in the file until the next write
        self._days: dict[tuple[str, str], DayRow] = {}  # by camera and place, those to write
        self._last_id = 0
        self.archives = Archives(patience)
        self.pictures = Pictures(max_bytes)
        self._file = EventFile(path, self.archives, self.pictures)
        self.boot = ""
        self.count = self.bytes = self.dropped = 0

    def __enter__(self) -> Backlog:
        file = self._file.__enter__()
        self.boot, self.count, self.bytes, self._last_id = file.boot, file.count, file.bytes, file.last_id
        return self

    def __exit__(self, *error: object) -> None:
        self._write_down([], at_once=True)
        self._file.__exit__(*error)

    @property
    def on_disk(self) -> bool:
        """Whether the events held would survive the process."""
        return self._file.writable

    @property
    def is_full(self) -> bool:
        """Whether there is more than there is room for."""
        return self.bytes > self._max_bytes or self.memory_bytes > MEMORY_BYTES

    @property
    def busy(self) -> bool:
        """Whether a thread waits for the disk now."""
        return self._file.busy

    @property
    def days(self) -> list[DayRow]:
        """Counters of the day that were held when this was opened."""
        return self._file.days

    @property
    def problems(self) -> list[bytes]:
        """The events of problems that had begun and not ended when this was opened."""
        return self._file.problems

    def write(
        self,
        events: Sequence[tuple[str, int, int, str, bytes]],
        days: Iterable[DayRow] = (),
        pictures: Mapping[int, tuple[str, bytes | None]] = MappingProxyType({}),
    ) -> list[Row]:
        """Commit new events, and the removals since the last commit, in one transaction.

        Args:
            events: Boot, number, time of creation (us), camera and payload of each.
            days: The counters of the day that these events have changed.
            pictures: Key and JPEG of an alert's picture, by the alert's index; see `Pictures.add`.

        Returns:
            The events as rows, with their ids.
        """
        rows = [Row(self._last_id + index, *event) for index, event in enumerate(events, 1)]
        for index, picture in pictures.items():
            self.pictures.add(picture[0], rows[index].id, picture[1])
        self._last_id += len(rows)
        self.count += len(rows)
        self.bytes += sum(row.bytes for row in rows)
        self._days.update(((one.camera, one.place), one) for one in days)
        self._write_down(rows)
        return rows

    def read(self, after: int, through: int, limit: int) -> list[Row]:
        """The oldest events with `after` < id <= `through`, at most `limit` of them."""
        found: list[Row] = []
        while len(found) < limit:
            page = self._file.read(after, through, limit)
            found += [row for row in page if row.id not in self._gone]
            if len(page) < limit:
                break
            after = page[-1].id
        for row in self._memory.values():
            if len(found) >= limit:
                break
            if after < row.id <= through:
                found.append(row)
        return found[:limit]

    def picture(self, key: str) -> bytes | None:
        """The picture of an alert that is held here; None where there is none."""
        return self.pictures.get(key, self._file.picture)

    @property
    def last_id(self) -> int:
        """Id of the newest event."""
        return self._last_id

    def oldest(self, boot: str) -> int | None:
        """The lowest number that a boot may still have here. It may be too low, but never too high."""
        held = next((row.number for row in self._memory.values() if row.boot == boot), None)
        return min((number for number in (self._file.oldest(boot), held) if number is not None), default=None)

    def remove(self, rows: Iterable[Row]) -> int:
        """Forget events that are safe elsewhere, and return how many of them were still held."""
        removed = 0
        for row in rows:
            if row.id in self._memory:
                del self._memory[row.id]
                self.memory_bytes -= row.bytes
            elif row.id not in self._gone and self._file.holds(row.id):
                self._gone.add(row.id)
            else:  # removed before, for another reason
                continue
            self.pictures.alert_gone(row.id)
            self.count -= 1
            self.bytes -= row.bytes
            removed += 1
        return removed

    def remove_through(self, boot: str, number: int) -> int:
        """Forget a boot's events up to a number, and return how many of them were still held."""
        held = [row for row in self._memory.values() if row.boot == boot and row.number <= number]
        return self.remove([*self._file.read_boot(boot, number), *held])

    def boots(self) -> list[str]:
        """The boots whose events are held, oldest first."""
        return sorted({row.boot for row in self._memory.values()}.union(self._file.boots()))

    def first_beyond(self, marks: Mapping[str, int]) -> int | None:
        """Id of the oldest event held that an archive lacks; None when it lacks none.

        Args:
            marks: For each boot, the number up to which the archive has stored all events.
        """
        first: list[int] = []
        for boot in self.boots():
            # One id more than were removed, so at least one of these is still held.
            stored = self._file.ids_beyond(boot, marks.get(boot, 0), len(self._gone) + 1)
            first += [id_ for id_ in stored if id_ not in self._gone][:1]
        beyond = (row.id for row in self._memory.values() if row.number > marks.get(row.boot, 0))
        return min([*first, *beyond], default=None)

    def make_room(self, now_us: int) -> list[Missing]:
        """Give up the oldest events that are too old or too many, and return each boot's loss."""
        if not self.count:
            return []
        born_us = now_us - self.max_age_us
        if self.bytes > self._max_bytes:
            page = self.read(0, self._last_id, DROPPED_AT_ONCE)
            return self.drop(_excess(page, self.bytes, self._max_bytes))
        if self.memory_bytes > MEMORY_BYTES:
            return self.drop(_excess(self._memory.values(), self.memory_bytes, MEMORY_BYTES))
        if any(row.created_us < born_us for row in self.read(0, self._last_id, 1)):
            page = self.read(0, self._last_id, DROPPED_AT_ONCE)
            return self.drop([row for row in page if row.created_us < born_us])
        return []

    def drop(self, rows: Sequence[Row]) -> list[Missing]:
        """Give events up, and return each boot's loss."""
        self.remove(rows)
        missing: dict[str, Missing] = {}
        for row in rows:
            gap = orjson.loads(row.payload).get("gap")  # the new gap also covers a gap that is dropped
            self.dropped += gap is None
            for boot, first, last, count in [(row.boot, row.number, row.number, int(gap is None))] + (
                [(gap["boot"], gap["first"], gap["last"], gap["count"])] if gap else []
            ):
                old = missing.get(boot, Missing(boot, first, last, 0, row.camera, row.created_us))
                missing[boot] = old._replace(
                    first=min(old.first, first), last=max(old.last, last), events=old.events + count
                )
        return list(missing.values())

    def _write_down(self, rows: Sequence[Row], *, at_once: bool = False) -> None:
        waiting = [*self._memory.values(), *rows]
        unwritten = self._gone or self._days or self.archives.changed or self.pictures.unwritten()
        if not (waiting or unwritten):
            return
        if self._file.commit(waiting, self._gone, self._days.values(), at_once=at_once):
            self._gone.clear()
            self._days.clear()
            self._memory.clear()
            self.memory_bytes = 0
        else:
            self._memory.update((row.id, row) for row in rows)
            self.memory_bytes += sum(row.bytes for row in rows)
            self.pictures.shrink()


def _excess(rows: Iterable[Row], held: int, allowed: int) -> list[Row]:
    """The first of `rows`: as many as must go before the rest fits."""
    excess = []
    for row in rows:
        if held <= allowed * SHRINK:
            break
        excess.append(row)
        held -= row.bytes
    return excess
