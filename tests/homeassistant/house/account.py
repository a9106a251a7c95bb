"""Which runs of automations were true: each needs something that the node said, and the other way round."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.homeassistant.house.recorder import Heard

WITHIN_S = 4.0
"""Longest time between what the node says and the automation, on a machine that does much else."""


@dataclass
class Verdict:
    """What is wrong with the runs of automations.

    Attributes:
        false: Runs without anything that the node said, as times.
        lost: What the node said without a run, as times.
    """

    false: list[float] = field(default_factory=list)
    lost: list[float] = field(default_factory=list)


def compare(runs: Iterable[float], truths: Iterable[float], within: float = WITHIN_S) -> Verdict:
    """Match runs with what the node said; each serves once.

    Args:
        runs: When an automation ran.
        truths: When the node said that it should.
        within: Longest time between the two.
    """
    left = sorted(truths)
    verdict = Verdict()
    for run in sorted(runs):
        while left and left[0] < run - within:
            verdict.lost.append(left.pop(0))
        if left and abs(left[0] - run) <= within:
            left.pop(0)
        else:
            verdict.false.append(run)
    verdict.lost += left
    return verdict


def arrivals(messages: Sequence[Heard]) -> list[float]:
    """When a zone became occupied, as its messages say: each session begins with an empty zone.

    Args:
        messages: Of one zone, without those that the broker had kept.
    """
    found, session, occupied = [], "", False
    for one in messages:
        if one.body is None:
            occupied = False
            continue
        if one.body["session"] != session:
            session, occupied = one.body["session"], False
        now = one.body["occupancy"] > 0
        if now and not occupied:
            found.append(one.at)
        occupied = now
    return found


_SILENT = ("track_linked", "alert")
"""Events about a zone or line that are no news of it."""
_TRIGGERS = {
    "crossed in": ("line_crossed", "in"),
    "crossed out": ("line_crossed", "out"),
    "entered": ("zone_entered", None),
    "exited": ("zone_exited", None),
    "loitering": ("loitering", None),
}


def reasons(of: str, heard: Iterable[Heard]) -> list[float]:
    """When the node said what makes an automation run.

    Args:
        of: What the automation waits for: the unique id of an event entity, or a device trigger.
        heard: Messages with events.
    """
    if of.endswith(".alert") or of.startswith("alert "):
        return list(_alerts(of.removeprefix("alert "), heard))
    if of.endswith("-event"):
        place = of.rpartition(".")[2].removesuffix("-event").partition("-")[2]
    else:
        trigger, _, place = of.rpartition(" ")
    found = []
    for one in heard:
        body = one.body
        if body is None or body["historical"] or body["zone"] != place or body["type"] in _SILENT:
            continue
        if of.endswith("-event") or _TRIGGERS[trigger] == (body["type"], body["direction"]):
            found.append(one.at)
    return found


def _alerts(of: str, heard: Iterable[Heard]) -> Iterator[float]:
    """When the node said that something was an alert: of one rule, or of all for an event entity."""
    for one in heard:
        body = one.body
        if body is None or body["type"] != "alert" or body["historical"]:
            continue
        if of.endswith(".alert") or body["alert"]["rule"] == of:
            yield one.at


def counted(messages: Sequence[Heard], what: str) -> int:
    """How often a line was crossed, over all sessions.

    Args:
        messages: Of one line, in the order in which they came.
        what: `entered` or `exited`.
    """
    last: dict[str, int] = {}
    for one in messages:
        if one.body is not None:
            last[one.body["session"]] = one.body[what]
    return sum(last.values())
