"""Goes through the nodes: a canary first, then batches. It looks at them after each, and stops early."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Literal

from shared.asking.requests import MAX_OUTSTANDING
from shared.errors import ConfigError, OutputError
from shared.fleet.deliver import Delivery, Outcome
from shared.fleet.health import Before, complaints, streaming
from shared.fleet.inventory import Inventory, wait_for
from shared.fleet.steps import NodePlan

Why = Literal["stopped", "failures"]


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast a rollout goes, and what ends it.

    Attributes:
        canary: Nodes that are changed first.
        batch: Nodes that are changed together afterwards.
        pause_s: How long the nodes are looked at after each of these, seconds.
        max_failures: Nodes that may fail, or be unwell afterwards, before the rest is left alone.
        wait_s: How long to wait for nodes that are offline, seconds.
    """

    canary: int
    batch: int
    pause_s: float
    max_failures: int = 0
    wait_s: float = 0.0


@dataclass
class Result:
    """What a rollout has done.

    Attributes:
        outcomes: Of every step that was begun, by node.
        unwell: What is worse on a node than before, by node.
        untouched: Nodes whose turn did not come.
        offline: Nodes that were offline when their turn came.
        ended: Why it ended before all nodes had their turn; None: it did not.
    """

    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)
    unwell: dict[str, list[str]] = field(default_factory=dict)
    untouched: list[str] = field(default_factory=list)
    offline: list[str] = field(default_factory=list)
    ended: Why | None = None

    @property
    def failed(self) -> list[str]:
        """Nodes on which some step was not done, or that are unwell."""
        broken = {node for node, some in self.outcomes.items() if any(one.state != "done" for one in some)}
        return sorted(broken | self.unwell.keys())


def amount(text: str, option: str) -> Callable[[int], int]:
    """What "3" or "5%" means for a number of nodes: at least one.

    Raises:
        ConfigError: It is neither; the text names the option.
    """
    number, percent = text.removesuffix("%"), text.endswith("%")
    try:
        value = float(number) if percent else int(number)
    except ValueError:
        value = -1
    if not (0 < value <= 100 if percent else 0 <= value < 10**9):
        raise ConfigError(f"{option} {text!r}: expected a number of nodes, such as 1, or a share, such as 5%")
    return lambda total: max(1, math.ceil(total * value / 100)) if percent else int(value)


class Rollout:
    """One go through the nodes.

    Args:
        delivery: Changes a node.
        inventory: What nodes say.
        pace: How fast, and what ends it.
        stop: Whether it is to stop: nodes that are being changed are finished, and no other is begun.
        say: Tells a person how it goes on.
        clock: Monotonic, s.
    """

    def __init__(
        self,
        delivery: Delivery,
        inventory: Inventory,
        pace: Pace,
        stop: Callable[[], bool],
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._delivery, self._inventory, self._pace = delivery, inventory, pace
        self._stop, self._say, self._clock = stop, say, clock
        self._before: dict[str, Before] = {}
        self.result = Result()

    def run(self, plans: Sequence[NodePlan]) -> Result:
        """Change the nodes of some plans."""
        with ThreadPoolExecutor(MAX_OUTSTANDING, thread_name_prefix="deliver") as pool:
            left = list(plans)
            for what, batch in self._batches(plans):
                if self._ends():
                    break
                left = left[len(batch) :]
                self._say(f"{what}: {_some([one.node for one in batch])}")
                self._change(pool, batch)
                self._look()
            self.result.untouched += [plan.node for plan in left]
            if not self._ends() and self.result.offline and self._pace.wait_s:
                self._late(pool, {plan.node: plan for plan in plans})
        self._ends()
        return self.result

    def _batches(self, plans: Sequence[NodePlan]) -> Iterator[tuple[str, Sequence[NodePlan]]]:
        canary = min(self._pace.canary, len(plans))
        if canary:
            yield "canary", plans[:canary]
        size = max(1, self._pace.batch)
        for begin in range(canary, len(plans), size):
            batch = plans[begin : begin + size]
            last = f" to {begin + len(batch)}" if len(batch) > 1 else ""
            yield f"{begin + 1}{last} of {len(plans)}", batch

    def _change(self, pool: ThreadPoolExecutor, batch: Sequence[NodePlan]) -> None:
        there = [plan for plan in batch if self._inventory.get(plan.node).online]
        self.result.offline += [plan.node for plan in batch if plan not in there]
        for node, outcomes in pool.map(self._one, there):
            if outcomes is None:
                self.result.untouched.append(node)
                continue
            self.result.outcomes[node] = outcomes
            for one in outcomes:
                if one.state != "done":
                    self._say(
                        f"  {node}: {one.step.kind} {one.step.camera}".rstrip() + f": {one.state}: {one.note}"
                    )

    def _one(self, plan: NodePlan) -> tuple[str, list[Outcome] | None]:
        if self._stop():
            return plan.node, None
        node = self._inventory.get(plan.node)
        reason = node.status.reason if node.status else None
        before = Before(node.session, streaming(node), reason, 0.0)
        try:
            outcomes = self._delivery.deliver(plan)
        except OutputError as error:  # without a record, nothing is sent
            outcomes = [Outcome(plan.node, plan.steps[0], "failed", str(error))]
        self._before[plan.node] = replace(before, session=node.session, changed_at=self._clock())
        return plan.node, outcomes

    def _look(self) -> None:
        """Look at all nodes that were changed, for as long as the pause; the first complaint ends it."""
        if not self._before:
            return
        wait_for(self._unwell, self._pace.pause_s, self._stop)
        for node, found in self.result.unwell.items():
            self._say(f"  {node}: {'; '.join(found)}")

    def _unwell(self) -> bool:
        """Whether more nodes are unwell than may be."""
        self.result.unwell = {
            node: found
            for node, before in self._before.items()
            if (found := complaints(before, self._inventory.get(node)))
        }
        return len(self.result.failed) > self._pace.max_failures

    def _ends(self) -> bool:
        if self._stop():
            self.result.ended = "stopped"
        elif len(self.result.failed) > self._pace.max_failures:
            self.result.ended = "failures"
        return self.result.ended is not None

    def _late(self, pool: ThreadPoolExecutor, plans: dict[str, NodePlan]) -> None:
        """Change nodes that come online while they are waited for."""
        deadline = self._clock() + self._pace.wait_s
        self._say(f"waiting {self._pace.wait_s:g} s for {_some(self.result.offline)}")
        while self.result.offline and not self._ends() and (left := deadline - self._clock()) > 0:
            if not wait_for(lambda: bool(self._come()), left, self._stop):
                break
            come = self._come()
            self.result.offline = [node for node in self.result.offline if node not in come]
            self._change(pool, [plans[node] for node in come])
            self._look()

    def _come(self) -> list[str]:
        known = {node: self._inventory.get(node) for node in self.result.offline}
        return [name for name, node in known.items() if node.online and node.lacks() is None]


def _some(nodes: Sequence[str], most: int = 3) -> str:
    more = f" and {len(nodes) - most} more" if len(nodes) > most else ""
    return ", ".join(nodes[:most]) + more
