"""What a plan is made of: the changes of one node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

Kind = Literal["cameras", "model", "calendar", "definitions", "rules", "settings"]
ORDER: tuple[Kind, ...] = ("cameras", "model", "calendar", "definitions", "rules", "settings")
"""In which order a node is changed: cameras first, because a node may start again for them, and then forgets
the settings. Zones name schedules of the calendar, and rules name both."""
RESTARTING = frozenset({"transport", "reader", "max_fps"})
"""Keys of a camera for which a node starts again."""


@dataclass(frozen=True)
class Step:
    """One change of one node.

    Attributes:
        kind: Which command makes it.
        camera: Which camera it is about; empty: the node.
        before: What is in force, by key. Of cameras, by camera first.
        wanted: What shall be, by the same keys.
        version: The version that it replaces; None where there are no versions.
    """

    kind: Kind
    camera: str
    before: Mapping[str, Any]
    wanted: Mapping[str, Any]
    version: int | None = None

    @property
    def restarts(self) -> bool:
        """Whether the node starts again for it."""
        return self.kind == "cameras" and any(RESTARTING & one.keys() for one in self.wanted.values())


@dataclass(frozen=True)
class NodePlan:
    """What one node needs.

    Attributes:
        node: Its identifier.
        online: Whether it runs.
        steps: What would change, in the order in which it is done.
        warnings: What a person should read first.
        blocked: Why nothing can be said or done; None: it can.
    """

    node: str
    online: bool
    steps: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = field(default=())
    blocked: str | None = None


def alike(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two states of what a step changes are the same. The first mode is that of every day."""
    modes = [list(one.get("modes", ())) for one in (first, second)]
    return first == second and modes[0] == modes[1]


def as_builtins(plan: NodePlan) -> dict[str, Any]:
    """A plan as JSON has it."""
    made: dict[str, Any] = msgspec.to_builtins(plan)
    return made
