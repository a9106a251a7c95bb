"""Numbers of zones and lines that cannot be true are found, and all that a node says is left alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from shared.conformance.numbers import problems
from shared.wire.messages import DayCounters, Flow, Queue, ZoneState

DAY = DayCounters(since_us=500, entered=9, exited=7, by_class={"person": Flow(entered=9, exited=7)})
STATE = ZoneState(
    node="n",
    session="s",
    published_us=1000,
    camera="c",
    seq=1,
    captured_us=1000,
    zone="z",
    kind="zone",
    occupancy=1,
    entered=3,
    exited=2,
    by_class={"person": Flow(entered=2, exited=2), "dog": Flow(entered=1)},
    queue=Queue(length=1),
    present=True,
    day=DAY,
    started_us=600,
)
EMPTY: dict[str, Any] = {"occupancy": 0, "queue": Queue(), "present": False}


@pytest.mark.parametrize(
    ("before", "changes", "kinds"),
    [
        (None, {}, []),
        (None, {"paused": "schedule", **EMPTY}, []),
        (None, {"paused": "schedule", **EMPTY, "occupancy": 1}, ["paused, but counts"]),
        (None, {"paused": "moved", **EMPTY, "loitering": 1}, ["paused, but counts"]),
        (None, {"paused": "moved", **EMPTY, "crowded": True}, ["paused, but counts"]),
        (None, {"paused": "moved", **EMPTY, "present": True}, ["paused, but counts"]),
        (None, {"paused": "moved", **EMPTY, "queue": Queue(length=2)}, ["paused, but counts"]),
        (None, {"by_class": {}}, []),
        (None, {"by_class": {"dog": Flow(entered=3, exited=1)}}, ["by_class does not add up"]),
        (None, {"day": dataclasses.replace(DAY, entered=10)}, ["by_class does not add up"]),
        (None, {"day": None}, []),
        (None, {"started_us": 400}, ["counters of the day exceed the running ones"] * 2),
        (None, {"started_us": None}, []),
        ({"entered": 4, "by_class": {}}, {}, ["counters run backwards"]),
        ({"exited": 9, "by_class": {}}, {"started_us": 601}, []),  # it began anew
        ({"day": dataclasses.replace(DAY, exited=8)}, {}, ["counters of the day run backwards"]),
        ({"day": dataclasses.replace(DAY, exited=8, since_us=400)}, {}, []),
        ({"day": None}, {}, []),
    ],
)
def test_numbers_agree_with_each_other_and_with_those_before(
    before: dict[str, Any] | None, changes: dict[str, Any], kinds: list[str]
) -> None:
    earlier = None if before is None else dataclasses.replace(STATE, **before)
    found = list(problems(dataclasses.replace(STATE, **changes), earlier))
    assert [kind for kind, _ in found] == kinds
