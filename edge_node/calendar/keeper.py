"""The keeper knows which calendar, mode and schedules hold now, and tells everybody when that changes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType

from edge_node.calendar.mode_file import KeptMode, ModeFile
from edge_node.calendar.store import CalendarStore, SavedCalendar
from shared.errors import MessageError, OutputError
from shared.schedules.modes import ByHand, Modes
from shared.schedules.timetable import Timetable
from shared.schedules.wall_clock import DAY_US
from shared.service.watchdog import Look
from shared.wire.messages import CalendarDefinition, ScheduleNow, now_us

log = logging.getLogger("darner.calendar")

LOOK_EVERY_S = 2.0
"""How often the wall clock is looked at while no change is due: it may have been set meanwhile."""
_FROZEN_S = 60.0
"""How long the thread may stand still, seconds: it writes to a disk."""


@dataclass(frozen=True, slots=True)
class Now:
    """What holds at a moment.

    Attributes:
        version: Version of the calendar; 0: the node has had none yet.
        calendar: The calendar.
        timetable: Its timetable.
        mode: The mode; None: the calendar has no modes.
        since_us: When the mode began, microseconds since 1970 UTC.
        by_hand: Whether somebody has set it.
        next_mode: The mode that comes next; None: none is known.
        next_change_us: When it comes.
        schedules: Whether each schedule is active, and when that changes.
    """

    version: int
    calendar: CalendarDefinition
    timetable: Timetable
    mode: str | None
    since_us: int
    by_hand: bool
    next_mode: str | None
    next_change_us: int | None
    schedules: Mapping[str, ScheduleNow]

    def active(self, schedule: str | None) -> bool:
        """Whether a schedule is active; None, and one that the calendar does not have, always is."""
        known = None if schedule is None else self.schedules.get(schedule)
        return known is None or known.active


class Keeper:
    """Keeps the calendar of a node.

    `with` starts a thread that looks at the clock. It sleeps until the next change, and for 2 s at most, so
    that it notices a clock that was set, in either direction; without a calendar it only sleeps.

    Args:
        store: Keeps the calendar.
        file: Keeps the mode.
        clock: The wall clock, microseconds since 1970 UTC.
    """

    def __init__(self, store: CalendarStore, file: ModeFile, clock: Callable[[], int] = now_us) -> None:
        self._store, self._file, self._clock = store, file, clock
        self._lock = threading.RLock()
        self._wake, self._stopping = threading.Event(), False
        self._turns = 0
        self._listeners: list[Callable[[Now], None]] = []
        self._kept = file.read()
        self._hand: ByHand | None = None
        self._hand_end: int | None = None
        self._behind: int | None = None  # the earliest time shown, if it is before the mode was set by hand
        if self._kept is not None and self._kept.set_us is not None and self._kept.mode is not None:
            self._hand = ByHand(
                mode=self._kept.mode, since_us=self._kept.set_us, until_us=self._kept.until_us
            )
        self._adopt(store.current)
        # Between these times, nothing changes by itself.
        self._holds_from = self._holds_until = 0
        self._now = self._look()

    def __enter__(self) -> Keeper:
        threading.Thread(target=self._run, name="calendar", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        self._wake.set()

    @property
    def now(self) -> Now:
        """What holds now. Any thread may read it, and does not wait."""
        return self._now

    def listen(self, listener: Callable[[Now], None]) -> None:
        """Have `listener` called now, and whenever something changes; it must not wait for anything."""
        with self._lock:
            self._listeners.append(listener)
            listener(self._now)

    def show(self, listener: Callable[[Now], None]) -> None:
        """Have `listener` called once, in its turn among what is said of changes; it must not wait either."""
        with self._lock:
            listener(self._now)

    def save(self, calendar: CalendarDefinition, replacing: int) -> Now:
        """Replace the calendar for good.

        Raises:
            ConflictError: `replacing` is not the current version; nothing was changed.
            OutputError: The file cannot be written; nothing was changed.
            ConfigError: The calendar cannot be followed.
        """
        with self._lock:
            self._adopt(self._store.save(calendar, replacing))
            self._tell(again=True)
            return self._now

    def configure(self, calendar: CalendarDefinition) -> None:
        """Use a configuration's calendar if the configuration has changed it."""
        with self._lock:
            if self._store.configure(calendar):
                self._adopt(self._store.current)
                self._tell(again=True)

    def set_mode(self, mode: str, until_us: int | None) -> Now:
        """Set the mode by hand, for good or until a moment; schedules of modes end it, too.

        Raises:
            MessageError: There is no such mode, or the moment is over.
            OutputError: The file cannot be written; nothing was changed.
        """
        with self._lock:
            now, modes = self._clock(), self._now.calendar.modes
            if not modes:
                raise MessageError("this node has no modes; give it some with calendar.set")
            if mode not in modes:
                raise MessageError(f"mode: there is no mode {mode!r}; this node has {', '.join(modes)}")
            if until_us is not None and until_us <= now:
                raise MessageError("until_us: this moment is over; give one to come, or null")
            since = self._now.since_us if self._now.mode == mode else now
            kept = KeptMode(mode=mode, since_us=since, set_us=now, until_us=until_us)
            self._file.write(kept)
            self._kept, self._hand = kept, ByHand(mode=mode, since_us=now, until_us=until_us)
            self._tell()
            return self._now

    def tick(self) -> None:
        """Look at the clock, and tell everybody what has changed."""
        if not self._holds_from <= self._clock() < self._holds_until:
            with self._lock:
                self._tell()

    def look(self) -> Look | None:
        """What a watchdog sees of the thread."""
        idle = self._stopping or not self._now.version
        return None if idle else Look(self._turns, frozen_s=_FROZEN_S)

    def _adopt(self, current: SavedCalendar) -> None:
        self._current = current
        self._timetable = Timetable(current.calendar)
        self._modes = Modes(current.calendar.modes, self._timetable)

    def _tell(self, *, again: bool = False) -> None:
        """Tell the listeners what holds, if it has changed or `again`."""
        before, self._now = self._now, self._look()
        if again or self._now != before:
            for listener in self._listeners:
                listener(self._now)
            self._wake.set()  # it may have to wake earlier now

    def _look(self) -> Now:
        """What holds now; a change of the mode is kept."""
        at = self._clock()
        ended = self._end_hand(at)
        mode = self._modes.scheduled(at) if self._hand is None else self._hand.mode
        kept = self._kept
        if kept is None or mode != kept.mode or ended is not None or kept.since_us > at:
            kept = self._kept = self._keep(mode, at, ended)
        following = self._next(at)
        now = Now(
            version=self._current.version,
            calendar=self._current.calendar,
            timetable=self._timetable,
            mode=mode,
            since_us=kept.since_us,
            by_hand=self._hand is not None,
            next_mode=following and following[1],
            next_change_us=following and following[0],
            schedules={
                name: ScheduleNow(
                    active=self._timetable.active(name, at, mode),
                    next_change_us=self._timetable.next_change(name, at, mode),
                )
                for name in self._current.calendar.schedules
            },
        )
        changes = [
            self._hand_end,
            now.next_change_us,
            *(one.next_change_us for one in now.schedules.values()),
        ]
        self._holds_from = at
        self._holds_until = min([at + DAY_US, *(one for one in changes if one is not None)])
        return now

    def _end_hand(self, at: int) -> int | None:
        """Forget a mode that was set by hand if it is over; when it ended."""
        hand, self._hand_end = self._hand, None
        if hand is None:
            return None
        if hand.mode not in self._current.calendar.modes:
            self._hand = None
            return at
        # Either the clock was ahead then, or it is behind now and will be set soon, as at the start of
        # a machine without a battery for it. The mode ends with the first change, and keeps its own time.
        self._behind = None if at >= hand.since_us else min(at, self._behind or at)
        end = self._modes.end_of(hand if self._behind is None else replace(hand, since_us=self._behind))
        if end is None or at < end:
            self._hand_end = end
            return None
        self._hand = None
        return end

    def _keep(self, mode: str | None, at: int, ended: int | None) -> KeptMode:
        """Keep the mode that holds now; a disk that does not take it is no reason to stop."""
        before = self._kept
        began = [one for one in (self._modes.scheduled_since(at), ended) if one is not None]
        if before is not None and before.mode == mode:
            began = [before.since_us]
        hand = self._hand
        kept = KeptMode(
            mode=mode,
            since_us=min(at, max(began, default=at)),
            set_us=None if hand is None else hand.since_us,
            until_us=None if hand is None else hand.until_us,
        )
        if self._current.version:
            try:
                self._file.write(kept, "it may be forgotten at a restart")
            except OutputError as error:
                log.warning("%s", error)
        if before is None or before.mode != mode:
            log.info("mode %s", mode or "none")
        return kept

    def _next(self, at: int) -> tuple[int, str] | None:
        """When another mode comes, and which."""
        end = self._hand_end
        if end is not None and self._hand is not None:
            after = self._modes.scheduled(end)
            if after is not None and after != self._hand.mode:
                return end, after
            return self._modes.next_scheduled(end)
        return None if self._hand is not None else self._modes.next_scheduled(at)

    def _run(self) -> None:
        while not self._stopping:
            left_s = (self._holds_until - self._clock()) / 1e6
            # Without a calendar, nothing changes by itself.
            self._wake.wait(min(max(left_s, 0.001), LOOK_EVERY_S) if self._now.version else None)
            self._wake.clear()
            self._turns += 1
            if not self._stopping:
                self.tick()
