"""Puts back what a run has changed, where nobody has changed it since."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from shared.errors import MessageError
from shared.fleet.inventory import Node
from shared.fleet.plan import in_force, version_of
from shared.fleet.runs import Record
from shared.fleet.steps import ORDER, NodePlan, Step, alike


class Undo:
    """What a run has changed, by node.

    Args:
        records: The steps that changed something, or may have.

    Attributes:
        nodes: The nodes of these steps.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self._by_node: dict[str, list[Step]] = defaultdict(list)
        for one in records:
            self._by_node[one.node].append(one.step)
        self.nodes = frozenset(self._by_node)

    def plan(self, node: Node) -> NodePlan:
        """The steps that bring a node to where it was before the run."""
        lacking = node.lacks() if node.online else None
        if lacking is not None:
            return NodePlan(node.name, node.online, blocked=f"starts, and has not sent {lacking} yet")
        steps: list[Step] = []
        warnings: list[str] = []
        for done in self._by_node.get(node.name, ()):
            try:
                now = in_force(node, done)
            except MessageError as error:
                return NodePlan(node.name, node.online, blocked=f"sends what cannot be read: {error}")
            what = f"{done.camera}: {done.kind}".removeprefix(": ")
            if now is not None and alike(now, done.wanted):
                steps.append(Step(done.kind, done.camera, done.wanted, done.before, version_of(node, done)))
            elif now is None:
                warnings.append(f"{what}: is not there any more; nothing is put back")
            elif now != done.before:
                warnings.append(f"{what}: somebody has changed it since; it is left as it is")
        steps.sort(key=lambda step: ORDER.index(step.kind))
        return NodePlan(node.name, node.online, tuple(steps), tuple(warnings))
