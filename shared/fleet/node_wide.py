"""What a whole node has, its calendar and its rules: what is wanted of them, and which steps lead there."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.definitions.calendar import calendar_problems, refuse_nonsense
from shared.errors import ConfigError
from shared.fleet.inventory import Node, plain
from shared.fleet.steps import Step, alike
from shared.fleet.wanted.folder import Wanted
from shared.rules.problems import as_warnings, problems
from shared.wire.messages import CalendarDefinition, RuleDefinition, Zones


@dataclass(frozen=True)
class Wide:
    """What is wanted of a whole node.

    Attributes:
        calendar: The calendar that it will have.
        rules: The rules that it will have; None: those that it has.
        steps: What leads there.
        blocked: Why that cannot be done; None: it can.
        classes: The classes of its model.
    """

    calendar: CalendarDefinition
    rules: Mapping[str, RuleDefinition] | None
    steps: tuple[Step, ...]
    blocked: str | None
    classes: tuple[str, ...] = ()

    @property
    def schedules(self) -> Collection[str]:
        """The schedules that it will have."""
        return self.calendar.schedules

    def doubts(self, places: Mapping[str, Zones]) -> list[str]:
        """What has no effect, in what would be changed.

        Args:
            places: The definitions that its cameras will have; needed where rules are wanted.
        """
        kinds = {step.kind for step in self.steps}
        found = calendar_problems(self.calendar, time.time_ns() // 1000) if "calendar" in kinds else []
        if "rules" in kinds and self.rules is not None:
            found += as_warnings(problems(self.rules, places, self.classes, self.schedules))
        return found


def plan_wide(node: Node, wanted: Wanted) -> Wide:
    """The steps about a node's calendar and rules.

    Raises:
        ConfigError: With what the node has besides, nobody could follow the calendar.
    """
    steps = []
    calendar, rules = _definition(node), wanted.values.get("rules")
    if parts := wanted.section("calendar"):
        calendar = dataclasses.replace(calendar, **parts)
        try:
            refuse_nonsense(calendar)
        except ConfigError as error:
            file = next(one for key, one in wanted.files.items() if key.startswith("calendar."))
            raise ConfigError(f"{file}: with what {node.name} has besides: {error}") from None
        then = {key: plain(part) for key, part in parts.items()}
        before = calendar_of(node, then)
        changed = [key for key in then if not alike({key: before[key]}, {key: then[key]})]
        if changed:
            old, new = ({key: one[key] for key in changed} for one in (before, then))
            steps.append(Step("calendar", "", old, new, node.calendar.version if node.calendar else 0))
    if rules is not None and (then := {"rules": plain(rules)}) != (before := rules_of(node)):
        steps.append(Step("rules", "", before, then, node.rules.version if node.rules else 0))
    known = () if node.info is None else node.info.capabilities
    unable = [step.kind for step in steps if step.kind not in known]
    blocked = f"its version of Darner knows no {unable[0]}" if unable else None
    classes = () if node.info is None else node.info.model.classes
    return Wide(calendar, rules, () if blocked else tuple(steps), blocked, classes)


def _definition(node: Node) -> CalendarDefinition:
    """The calendar that a node has; the default where it has none yet."""
    said = node.calendar or CalendarDefinition()
    return CalendarDefinition(**{item.name: getattr(said, item.name) for item in _FIELDS})


_FIELDS = dataclasses.fields(CalendarDefinition)


def whole_calendar(node: Node) -> dict[str, Any]:
    """The calendar that a node has, by key, as JSON has it."""
    whole: dict[str, Any] = plain(_definition(node))
    return whole


def calendar_of(node: Node, keys: Iterable[str]) -> dict[str, Any]:
    """Some parts of the calendar that a node has, by key."""
    whole = whole_calendar(node)
    return {key: whole[key] for key in keys}


def rules_of(node: Node) -> dict[str, Any]:
    """The rules that a node has, below the key ``rules``."""
    return {"rules": plain(node.rules.rules) if node.rules else {}}
