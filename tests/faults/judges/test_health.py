"""The judge of cameras' problems: what it must let pass, and what it must not."""

from __future__ import annotations

import pytest

from tests.faults.judges.health import health_problems

ONCE = ["problem_started", "problem_ended"]


@pytest.mark.parametrize(
    ("told", "well"),
    [
        ({("side", "covered"): ONCE * 2}, True),
        ({("side", "covered"): ONCE * 2, ("front", "low_rate"): ONCE[:1]}, True),
        ({("side", "covered"): ONCE}, False),
        ({("side", "covered"): [*ONCE, *ONCE[:1]]}, False),
        ({("side", "covered"): ["problem_started", *ONCE]}, False),
        ({("side", "covered"): ONCE * 2, ("front", "moved"): ONCE}, False),
    ],
)
def test_each_problem_begins_and_ends_as_often_as_it_was_made(
    told: dict[tuple[str, str], list[str]], well: bool
) -> None:
    assert (health_problems(told, {"side": 2}) == []) == well
