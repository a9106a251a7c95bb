"""The calendar of a running node: the keeper, and those who do and say what it knows."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

from edge_node.analytics.watch import Watch
from edge_node.calendar.applying import Applying
from edge_node.calendar.commands import CalendarCommands, Handler
from edge_node.calendar.keeper import Keeper, Now
from edge_node.calendar.mode_file import ModeFile
from edge_node.calendar.store import CalendarStore
from edge_node.config.live import LiveStore
from edge_node.config.saved.definitions import DefinitionStore
from edge_node.config.saved.paths import path_beside_zones
from edge_node.config.settings import EdgeConfig
from edge_node.days.book import DayBook
from edge_node.rules.alerts import Alerts
from edge_node.rules.desk import RuleDesk
from shared.definitions.calendar import calendar_problems, unknown_schedules
from shared.schedules.timetable import Timetable, lasting
from shared.wire.messages import now_us


class RunningCalendar:
    """Keeps the calendar of a node, and pauses what is off schedule. `with` starts the keeper's thread.

    Args:
        config: The node's configuration.
        live: Pauses cameras.

    Attributes:
        keeper: Knows what holds now.
    """

    def __init__(self, config: EdgeConfig, live: LiveStore) -> None:
        store = CalendarStore(path_beside_zones(config, "calendar"), config.calendar)
        self.keeper = Keeper(store, ModeFile(path_beside_zones(config, "mode")))
        self._live = live
        self._definitions: DefinitionStore | None = None
        self._cameras = {name: camera.schedule for name, camera in config.cameras.items()}
        self._applying: Applying | None = None

    def __enter__(self) -> RunningCalendar:
        self.keeper.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.keeper.__exit__(kind, error, trace)

    @property
    def now(self) -> Now:
        """What holds now."""
        return self.keeper.now

    def watch(self, watches: Mapping[str, Watch], definitions: DefinitionStore) -> None:
        """Pause, from now on, what is off schedule on these cameras."""
        self._definitions = definitions
        self._applying = Applying(watches, definitions, self._live, self._cameras.get)
        self.keeper.listen(self._applying.apply)

    def follow(self, alerts: Alerts, rules: RuleDesk, days: DayBook) -> None:
        """Let these know, from now on, what holds, which schedules there are, and when days begin."""
        known: Timetable | None = None

        def tell(now: Now) -> None:
            nonlocal known
            alerts.set_times(now.timetable, now.mode, now.since_us)
            if now.timetable is not known:
                known = now.timetable
                days.use(known.day_start)
                never = known.never_active(now_us())
                rules.know_schedules(now.calendar.schedules, never, lasting(known))

        self.keeper.listen(tell)

    def reconfigure(self, config: EdgeConfig) -> None:
        """Use a configuration's calendar where it has changed, and its cameras' schedules."""
        self.keeper.configure(config.calendar)
        self._cameras.update((name, camera.schedule) for name, camera in config.cameras.items())

    def again(self) -> None:
        """Pause what is off schedule, after zones or cameras have got other schedules."""
        if self._applying is not None:
            self._applying.again()

    def handlers(self) -> dict[str, Handler]:
        """The handler of each command."""
        return CalendarCommands(self.keeper, self.unknown).handlers()

    def problems(self) -> list[str]:
        """What people should be told about schedules, a sentence for each problem."""
        return [*calendar_problems(self.now.calendar, now_us(), self.now.timetable), *self.unknown()]

    def unknown(self) -> list[str]:
        """A sentence for each camera, zone, line and mask with a schedule that the calendar does not have."""
        known, found = self.now.calendar.schedules, []
        for name, own in self._cameras.items():
            if own is not None and own not in known:
                found.append(f"camera {name}: is never paused: the calendar has no schedule {own!r}")
            if self._definitions is not None:
                one = self._definitions[name]
                problems = unknown_schedules(one.zones, one.lines, one.masks, known)
                found += [f"camera {name}: {problem}" for problem in problems]
        return found
