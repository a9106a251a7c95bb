"""What a node needs: the difference between what it says and what is wanted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.errors import ConfigError
from shared.fleet.inventory import Inventory, Node
from shared.fleet.plan import plan_node
from shared.fleet.steps import ORDER
from shared.fleet.wanted.folder import Folder
from shared.mqtt.received import Received
from shared.wire.messages import ZoneDefinition
from tests.shared.fleet.simulated import NEW, OLD, Simulated, known

SQUARE = ((0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (0.0, 0.5))
YAML_SQUARE = "{polygon: [[0, 0], [0.5, 0], [0.5, 0.5], [0, 0.5]]}"


def simulated_node(**changes: Any) -> Simulated:
    node = Simulated(lambda *_: None, "p", "shop-1")
    for name, value in changes.items():
        setattr(node, name, value)
    return node


def told(node: Simulated, *, without: str = "") -> Node:
    inventory = Inventory("p", ("*",))
    for received in known(node):
        if not (without and received.topic.endswith(without)):
            inventory.take(received)
    assert inventory.broken == 0
    return inventory.get("shop-1")


def folder(path: Path, text: str) -> Folder:
    (path / "a.yaml").write_text(text)
    return Folder(path)


def test_a_node_that_is_as_wanted_needs_nothing(tmp_path: Path) -> None:
    node = simulated_node()
    node.definitions.save("till", {"a": ZoneDefinition(polygon=SQUARE)}, {}, 1)
    wanted = folder(
        tmp_path,
        f"zones: {{a: {YAML_SQUARE}}}\nsettings: {{confidence: 0.25, thumbnail_fps: 5}}\n"
        f"camera: {{max_fps: 0}}\nmodel: {{sha256: '{OLD}'}}",
    )
    plan = plan_node(told(node), wanted)
    assert (plan.steps, plan.blocked, plan.warnings) == ((), None, ())


def test_each_difference_is_a_step_and_a_restart_comes_before_what_it_would_undo(tmp_path: Path) -> None:
    node = simulated_node()
    node.definitions.save("till", {"old": ZoneDefinition(polygon=SQUARE)}, {}, 1)
    wanted = folder(
        tmp_path,
        f"masks: {{sky: {YAML_SQUARE}}}\nsettings: {{confidence: 0.4, paused: false}}\n"
        f"camera: {{max_fps: 5}}\nmodel: {{sha256: '{NEW}'}}\n"
        "calendar: {timezone: Europe/Berlin}\nrules: {r: {when: {trigger: offline}}}",
    )
    steps = plan_node(told(node), wanted).steps
    assert [step.kind for step in steps] == list(ORDER)
    cameras, model, _, definitions, _, settings = steps
    assert (cameras.before, cameras.wanted) == ({"till": {"max_fps": 0.0}}, {"till": {"max_fps": 5.0}})
    assert cameras.restarts
    assert (model.before, model.wanted) == ({"sha256": OLD}, {"sha256": NEW})
    assert definitions.version == 2
    assert set(definitions.wanted["zones"]) == {"old"}, "what the folder does not name stays"
    assert set(definitions.wanted["masks"]) == {"sky"}
    assert (settings.before, settings.wanted) == ({"confidence": 0.25}, {"confidence": 0.4})


def test_what_stays_on_a_camera_must_go_with_what_comes(tmp_path: Path) -> None:
    node = simulated_node()
    node.definitions.save("till", {"a": ZoneDefinition(polygon=SQUARE)}, {}, 1)
    wanted = folder(tmp_path, f"masks: {{a: {YAML_SQUARE}}}")
    with pytest.raises(
        ConfigError, match=r"a\.yaml: with what shop-1/till has besides: 'a' names a zone and a mask"
    ):
        plan_node(told(node), wanted)


def test_a_class_that_the_model_lacks_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    wanted = folder(tmp_path, "zones: {a: {polygon: [[0, 0], [1, 0], [1, 1]], classes: [bus]}}")
    plan = plan_node(told(simulated_node()), wanted)
    assert len(plan.steps) == 1
    assert plan.warnings == ("till: zone 'a' asks for class 'bus', which the model does not have",)


@pytest.mark.parametrize(
    ("changes", "without", "text", "says"),
    [
        ({"why_not": "remote_cameras is off"}, "", "camera: {max_fps: 5}", "remote_cameras is off"),
        ({"model": None}, "", f"model: {{sha256: '{NEW}'}}", "model is on a server"),
        ({}, "/zones", "settings: {paused: true}", "has not sent the zones message of camera till"),
        ({}, "/info", "settings: {paused: true}", "has not said which cameras"),
    ],
)
def test_why_a_node_cannot_be_brought_there(
    tmp_path: Path, changes: dict[str, Any], without: str, text: str, says: str
) -> None:
    plan = plan_node(told(simulated_node(**changes), without=without), folder(tmp_path, text))
    assert says in (plan.blocked or "")


@pytest.mark.parametrize("last", ["info", "cameras", "settings", "zones"])
def test_state_of_an_earlier_run_is_not_taken_for_that_of_a_node_that_starts(
    tmp_path: Path, last: str
) -> None:
    inventory, node = Inventory("p", ("*",)), simulated_node()
    for received in known(node):
        inventory.take(received)
    node.start()
    messages = known(node)
    wanted = folder(tmp_path, "settings: {paused: true}")
    for received in messages:
        if not received.topic.endswith(last):
            inventory.take(received)
    assert f"has not sent {'its' if last in ('info', 'cameras') else 'the'} {last} message" in (
        plan_node(inventory.get("shop-1"), wanted).blocked or ""
    )
    for received in messages:
        inventory.take(received)
    assert plan_node(inventory.get("shop-1"), wanted).blocked is None


def test_what_breaks_the_contract_is_counted_and_left_out() -> None:
    inventory, node = Inventory("p", ("shop-*",)), simulated_node()
    for received in known(node):
        inventory.take(received)
        inventory.take(replace(received, payload=b"{" * 9))
        inventory.take(replace(received, topic=received.topic.replace("shop-1", "other")))
    inventory.take(Received("elsewhere", b"", 1, True, {}))
    assert inventory.broken == 6
    assert list(inventory.nodes) == ["shop-1"]
    assert inventory.get("shop-1").lacks() is None
