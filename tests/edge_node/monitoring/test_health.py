from __future__ import annotations

import json
from typing import Any

import pytest

from edge_node.monitoring.health import Condition, Health
from edge_node.monitoring.serving import Answer

WELL: dict[str, Any] = {"connected": True, "cameras": {"door": ("streaming", None)}}


def said(answer: Answer) -> tuple[int, str, list[str]]:
    content = json.loads(answer.body)
    assert content["node"] == "n"
    return answer.status, content["status"], content["reasons"]


def asked(**condition: Any) -> Health:
    health = Health("n")
    health.look = lambda: Condition(**WELL | condition)
    return health


def test_a_node_that_loads_its_model_is_alive_and_not_ready() -> None:
    starting = Health("n")
    assert said(starting.health()) == (200, "ok", [])
    assert said(starting.ready()) == (503, "starting", ["the model is being loaded"])


def test_a_node_at_work_is_alive_and_ready() -> None:
    assert said(asked().health()) == (200, "ok", [])
    assert said(asked().ready()) == (200, "ready", [])


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ({"connected": False}, "the broker is not connected"),
        ({"cameras": {"door": ("reconnecting", "no route")}}, "camera door is reconnecting: no route"),
        ({"cameras": {"door": (None, None)}}, "camera door is starting"),
        ({"stopping": True}, "the node is stopping"),
    ],
)
def test_what_a_restart_does_not_mend_makes_a_node_unready_only(
    condition: dict[str, Any], reason: str
) -> None:
    assert said(asked(**condition).ready()) == (503, "not ready", [reason])
    assert said(asked(**condition).health()) == (200, "ok", [])


def test_a_stage_that_stands_still_makes_a_node_neither_alive_nor_ready() -> None:
    fault = "infer has stood still for 12 s with work to do"
    assert said(asked(faults=[fault]).health()) == (503, "failing", [fault])
    assert said(asked(faults=[fault]).ready()) == (503, "not ready", [fault])


@pytest.mark.parametrize("state", ["paused", "ended"])
def test_a_camera_that_somebody_paused_and_a_film_that_is_over_are_no_fault(state: str) -> None:
    assert said(asked(cameras={"door": (state, None)}).ready()) == (200, "ready", [])
