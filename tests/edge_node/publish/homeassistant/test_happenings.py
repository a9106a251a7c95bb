"""Events in Home Assistant: what fires, what does not, and what is told."""

from __future__ import annotations

import json
import typing

import pytest

from edge_node.publish.homeassistant.camera import device
from shared.wire.messages import Condition, EventType, RuleDefinition, Severity
from tests.edge_node.publish.homeassistant.rules import EVERY_RULE, config, example, rendered

SETTINGS = config({"zones": {"path": EVERY_RULE, "yard": EVERY_RULE}})
STAY = Condition(trigger="stay", for_s=60)
RULES = {
    "till-60": RuleDefinition(when=STAY),
    "off": RuleDefinition(when=STAY, enabled=False, cameras=("street",)),
    "elsewhere": RuleDefinition(when=STAY, cameras=("yard",)),
    "node-gone": RuleDefinition(when=Condition(trigger="offline")),
}
COMPONENTS = device(SETTINGS, "street", SETTINGS.cameras["street"], RULES)["components"]
NO_PLACE = {"track_started", "track_ended", "gap", "problem_started", "problem_ended", "alert"}
NO_REASON_TO_ACT = {"track_linked"}


def fired(key: str, **event: object) -> dict[str, object] | None:
    """What an event entity takes of an event of a real node; None if it ignores it."""
    text = rendered(COMPONENTS[key]["value_template"], example("events", **event))
    return json.loads(text) if text else None


def triggered(**event: object) -> list[str]:
    """The device triggers that an event of a real node sets off."""
    said = example("events", **event)
    return [
        f"{one['subtype']} {one['type']}"
        for one in COMPONENTS.values()
        if one["platform"] == "device_automation" and rendered(one["value_template"], said) == one["payload"]
    ]


@pytest.mark.parametrize("kind", typing.get_args(EventType))
def test_every_kind_of_event_of_a_zone_fires_its_entity_and_no_other(kind: str) -> None:
    if kind in NO_PLACE | NO_REASON_TO_ACT | {"line_crossed"}:
        assert fired("zone-path-event", type=kind, zone="path") is None
        return
    told = fired("zone-path-event", type=kind, zone="path")
    assert told is not None
    assert told["event_type"] in COMPONENTS["zone-path-event"]["event_types"]
    assert fired("zone-yard-event", type=kind, zone="path") is None
    assert fired("line-gate-event", type=kind, zone="path") is None


def test_a_crossing_is_told_with_what_an_automation_needs() -> None:
    told = fired("line-gate-event", type="line_crossed", zone="gate", direction="out", dwell_s=None)
    assert told == {
        "event_type": "out",
        "label": "person",
        "track_id": 6,
        "snapshot": "darner/v1/shop/camera/street/snapshot/6",
        "event_id": "shop-6b02704f-6c20a4-15",
    }
    assert COMPONENTS["line-gate-event"]["event_types"] == ["in", "out"]


def test_an_event_sets_off_one_trigger() -> None:
    assert triggered(type="line_crossed", zone="gate", direction="in") == ["gate crossed in"]
    assert triggered(type="line_crossed", zone="gate", direction="out") == ["gate crossed out"]
    assert triggered(type="zone_entered", zone="path") == ["path entered"]
    assert triggered(type="zone_exited", zone="yard") == ["yard exited"]
    assert triggered(type="loitering", zone="yard") == ["yard loitering"]
    assert triggered(type="track_started", zone=None) == []


@pytest.mark.parametrize("severity", typing.get_args(Severity))
def test_an_alert_fires_its_cameras_entity_and_the_trigger_of_its_rule(severity: str) -> None:
    about = {"rule": "till-60", "name": "Till", "severity": severity, "text": "60 s", "trigger": "stay"}
    alert = {"type": "alert", "zone": "gate", "direction": "in", "alert": {**about, "value": 61.5}}
    told = fired("alert", **alert)
    assert told is not None
    assert told.pop("event_type") == severity
    assert severity in COMPONENTS["alert"]["event_types"]
    assert told.items() >= {"rule": "till-60", "text": "60 s", "value": 61.5, "zone": "gate"}.items()
    assert told.items() >= {"snapshot": "darner/v1/shop/camera/street/snapshot/6", "label": "person"}.items()
    assert triggered(**alert) == ["till-60 alert"]
    assert fired("line-gate-event", **alert) is None, "nobody has crossed once more"
    late = alert | {"historical": True}
    assert fired("alert", **late) is None
    assert triggered(**late) == []


def test_a_camera_offers_the_rules_that_can_alert_from_it() -> None:
    offered = {one["subtype"] for one in COMPONENTS.values() if one.get("type") == "alert"}
    assert offered == {"till-60", "off"}
    none = device(SETTINGS, "street", SETTINGS.cameras["street"], {"node-gone": RULES["node-gone"]})
    assert "alert" not in none["components"]


def test_an_event_that_comes_late_or_again_fires_nothing() -> None:
    late = {"type": "line_crossed", "zone": "gate", "direction": "in", "historical": True}
    assert fired("line-gate-event", **late) is None
    assert triggered(**late) == []


def test_a_gap_fires_nothing() -> None:
    gap = {"boot": "b", "first": 1, "last": 2, "count": 2}
    assert fired("zone-path-event", type="gap", zone=None, gap=gap) is None
    assert triggered(type="gap", zone=None, gap=gap) == []
