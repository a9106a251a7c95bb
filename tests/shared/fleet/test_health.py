"""Whether a node is as well after a change as before."""

from __future__ import annotations

from typing import Any

import pytest

from shared.fleet.health import Before, complaints, streaming
from shared.fleet.inventory import Inventory
from tests.shared.fleet.simulated import Simulated, known


@pytest.mark.parametrize(
    ("changes", "after_s", "says"),
    [
        pytest.param({}, 7, None, id="as before"),
        pytest.param(
            {"status": "reconnecting"}, 7, "camera till was streaming and is reconnecting", id="lost"
        ),
        pytest.param({"fps": 0.0}, 7, "camera till is said to stream, and no frame is analysed", id="still"),
        pytest.param({"fps": 0.0}, 5, None, id="metrics are about the time before, too"),
        pytest.param({"fps": 0.0, "slow": True}, 7, None, id="a camera that is seldom analysed"),
        pytest.param({"status": "paused", "pause": True}, 7, None, id="it was to be paused"),
        pytest.param({"again": True}, 7, "it has started again by itself", id="a crash"),
    ],
)
def test_what_is_worse_than_before_is_said(changes: dict[str, Any], after_s: float, says: str | None) -> None:
    now_s = [100.0]
    inventory = Inventory("p", ("*",), clock=lambda: now_s[0])
    node = Simulated(lambda *_: None, "p", "shop-1")
    for received in known(node):
        inventory.take(received)
    before = Before(node.session, streaming(inventory.get("shop-1")), None, now_s[0])
    assert before.streaming == ("till",)
    for name in changes.keys() & {"status", "fps"}:
        setattr(node, name, changes[name])
    if changes.get("slow"):
        object.__setattr__(node.entry, "max_fps", 0.1)
    if changes.get("pause"):
        node.live["paused"] = True
    if changes.get("again"):
        node.start()
    now_s[0] += after_s
    for received in known(node, metrics=True):
        inventory.take(received)
    found = complaints(before, inventory.get("shop-1"))
    assert found == ([] if says is None else found[:1])
    assert says is None or says in found[0]
