from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from edge_node.publish.state.numbers import only_time_passed
from shared.wire.messages import Dwell, Queue, ZoneNumbers

ZONE = ZoneNumbers(zone="gate", kind="zone", occupancy=2, dwell=Dwell(completed=1, ongoing_max_s=1.0))


@pytest.mark.parametrize(
    ("change", "same"),
    [
        pytest.param({"dwell": Dwell(completed=1, ongoing_max_s=2.0)}, True, id="a longer dwell"),
        pytest.param({"dwell": Dwell(completed=2, ongoing_max_s=1.0)}, False, id="one more dwell"),
        pytest.param({"occupancy": 3}, False, id="one more inside"),
        pytest.param({"queue": Queue(length=1, wait_longest_s=1.0)}, False, id="a queue"),
    ],
)
def test_time_alone_makes_no_other_numbers(change: dict[str, Any], same: bool) -> None:
    assert only_time_passed(ZONE, dataclasses.replace(ZONE, **change)) is same


def test_the_time_waited_in_a_queue_makes_no_other_numbers() -> None:
    before, after = (
        dataclasses.replace(ZONE, queue=Queue(length=1, wait_longest_s=seconds)) for seconds in (1.0, 2.0)
    )
    assert only_time_passed(before, after)
