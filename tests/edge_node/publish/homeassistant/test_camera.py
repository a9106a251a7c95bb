"""The device of a camera: its entities, by the published rules and on real messages."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import example as hypothesis_example
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.publish.homeassistant.camera import device
from edge_node.publish.homeassistant.components import fitting
from shared import limits
from shared.wire import messages
from shared.wire.messages import Condition, RuleDefinition
from tests.edge_node.publish.homeassistant.rules import EVERY_RULE, check, config, example, rendered


def street(camera: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    edge = config(camera, **changes)
    return device(edge, "street", edge.cameras["street"], {})


def test_a_camera_is_a_device_with_an_entity_for_everything_that_can_be_seen_or_set() -> None:
    payload = street()
    check(payload)
    entities = [one for one in payload["components"].values() if one["platform"] != "device_automation"]
    assert [(one["platform"], one["name"]) for one in entities] == [
        ("sensor", "Objects"),
        ("binary_sensor", "Occupied"),
        ("camera", "Picture"),
        ("image", "Last event"),
        ("sensor", "Status"),
        ("sensor", "Reason"),
        ("binary_sensor", "Problem"),
        ("switch", "Pause"),
        ("number", "Confidence"),
        ("number", "Detect every"),
        ("number", "Picture rate"),
        ("sensor", "All count"),
        ("binary_sensor", "All occupied"),
        ("sensor", "All entered"),
        ("sensor", "All entered today"),
        ("sensor", "All exited"),
        ("sensor", "All exited today"),
        ("sensor", "All average stay"),
        ("sensor", "All longest stay now"),
        ("sensor", "All status"),
        ("sensor", "A-count count"),
        ("binary_sensor", "A-count occupied"),
        ("sensor", "A-count entered"),
        ("sensor", "A-count entered today"),
        ("sensor", "A-count exited"),
        ("sensor", "A-count exited today"),
        ("sensor", "A-count average stay"),
        ("sensor", "A-count longest stay now"),
        ("sensor", "A-count status"),
        ("sensor", "Gate in"),
        ("sensor", "Gate in today"),
        ("sensor", "Gate out"),
        ("sensor", "Gate out today"),
        ("sensor", "Gate status"),
        ("sensor", "Frames captured"),
        ("sensor", "Frames analysed"),
        ("sensor", "Frames dropped"),
        ("event", "Gate crossing"),
        ("event", "All activity"),
        ("event", "A-count activity"),
    ]
    assert payload["device"]["via_device"] == "darner.box"


def test_the_unique_ids_of_earlier_versions_stay_because_they_hold_the_history() -> None:
    ids = {one.get("unique_id") for one in street()["components"].values()}
    stay = ("objects", "picture", "zone-all-count", "zone-all-occupied", "line-gate-in", "line-gate-out")
    assert {f"darner.box.street.{key}" for key in stay} <= ids


def test_what_a_camera_does_not_have_is_no_entity() -> None:
    payload = street({"thumbnail": {"fps": 0}, "snapshot": {"enabled": False}, "zones": {}, "lines": {}})
    assert {"picture", "last_event"} & set(payload["components"]) == set()
    assert "problem" not in street({"health": {"enabled": False}})["components"]
    assert not [key for key in payload["components"] if "-" in key]
    assert "suggested_area" not in payload["device"]
    assert "configuration_url" not in payload["device"]


def test_a_camera_that_sends_its_own_detections_offers_nothing_that_the_node_would_refuse() -> None:
    payload = street({"source": "mqtt:///axis/frames?format=axis"})
    check(payload)
    unfit = {"picture", "last_event", "problem", "detect_every", "thumbnail_fps"}
    assert unfit & set(payload["components"]) == set()
    assert {"paused", "confidence"} <= set(payload["components"])


def test_the_rules_of_a_zone_are_entities_of_their_own() -> None:
    plain, ruled = street(), street({"zones": {"all": EVERY_RULE}})
    check(ruled)
    more = {key for key in ruled["components"] if key.startswith("zone-all")} - set(plain["components"])
    states = ("present", "loitering", "crowded", "queue", "wait", "longest_wait", "on_loitering")
    assert more == {f"zone-all-{one}" for one in states}
    assert ruled["components"]["class-person"]["name"] == "Person count"


def test_people_read_names_and_topics_keep_identifiers() -> None:
    polygon = [[0, 0], [1, 0], [1, 1]]
    payload = street(
        {
            "name": "Haustür",
            "area": "Garten",
            "zones": {"all": {"polygon": polygon, "name": "Weg 🚶"}},
            "lines": {"gate": {"points": [[0.5, 1], [0.5, 0]], "name": "Tor"}},
        },
        homeassistant={"enabled": True, "viewer_url": "https://viewer.example/darner"},
    )
    check(payload)
    assert payload["device"]["name"] == "Haustür"
    assert payload["device"]["suggested_area"] == "Garten"
    assert payload["device"]["configuration_url"] == "https://viewer.example/darner/#/camera/box/street"
    count, gate = payload["components"]["zone-all-count"], payload["components"]["line-gate-on_in"]
    assert (count["name"], count["state_topic"]) == ("Weg 🚶 count", "darner/v1/box/camera/street/zone/all")
    assert gate["subtype"] == "gate", "automations find a trigger by it, so a new name must not change it"
    named = street(node_name="Laden")
    assert named["device"]["name"] == "Laden street"


def test_every_template_of_a_zone_renders_what_a_real_node_says() -> None:
    components = street({"zones": {"path": EVERY_RULE}})["components"]
    said = example("zone", started_us=1_795_321_900_000_000)
    numbers = json.loads(said)

    def state(suffix: str) -> str:
        return rendered(components[f"zone-path-{suffix}"]["value_template"], said)

    assert int(state("count")) == int(state("queue")) == numbers["occupancy"] == 5
    assert [state(one) for one in ("occupied", "loitering", "crowded")] == ["ON", "OFF", "OFF"]
    assert (int(state("entered")), int(state("exited"))) == (numbers["entered"], numbers["exited"])
    assert float(state("stay")) == pytest.approx(numbers["dwell"]["average_s"], abs=0.06)
    assert float(state("wait")) == pytest.approx(numbers["queue"]["completed_average_s"], abs=0.06)
    assert float(state("longest_stay")) == float(state("longest_wait")) == 10
    who = components["zone-path-loitering"]["json_attributes_template"]
    assert json.loads(rendered(who, example("zone", loitering_ids=[7, 3]))) == {"track_ids": [7, 3]}
    reset = components["zone-path-entered"]["last_reset_value_template"]
    assert rendered(reset, said) == "2026-11-22T04:31:40+00:00"
    older = json.dumps({key: one for key, one in numbers.items() if key != "started_us"}).encode()
    assert rendered(reset, older) == "", "Home Assistant ignores it, and says nothing in its log"


def test_the_counters_of_the_day_say_when_it_began() -> None:
    components = street()["components"]
    day = {"entered": 5, "exited": 4, "since_us": 1_795_302_000_000_000, "by_class": {}}
    said, none = example("zone", day=day), example("zone", day=None)
    older = json.dumps({key: one for key, one in json.loads(said).items() if key != "day"}).encode()
    for key, counted in (("zone-all-entered", "5"), ("zone-all-exited", "4"), ("line-gate-in", "5")):
        one = components[f"{key}_today"]
        assert rendered(one["value_template"], said) == counted
        assert rendered(one["last_reset_value_template"], said) == "2026-11-21T23:00:00+00:00"
        for without in (none, older):
            assert rendered(one["value_template"], without) == "None", "Home Assistant shows it as unknown"
            assert rendered(one["last_reset_value_template"], without) == ""


def test_a_paused_zone_keeps_its_totals_and_does_not_say_that_it_is_empty() -> None:
    components = street({"zones": {"all": EVERY_RULE}})["components"]
    paused = example("zone", paused="schedule", present=False)
    for key in ("count", "occupied", "present", "queue", "loitering"):
        *_, counts = components[f"zone-all-{key}"]["availability"]
        assert rendered(counts["value_template"], paused) == "offline", key
        assert rendered(counts["value_template"], example("zone", paused=None)) == "online"
    for key in ("entered", "exited", "entered_today"):
        assert "availability" not in components[f"zone-all-{key}"]
    for key in ("zone-all-status", "line-gate-status"):
        assert "availability" not in components[key]
        for said, wanted in ((paused, "schedule"), (example("zone", paused=None), "counting")):
            assert rendered(components[key]["value_template"], said) == wanted


def test_a_zone_says_whether_somebody_is_present() -> None:
    present = street({"zones": {"all": EVERY_RULE}})["components"]["zone-all-present"]
    for said, wanted in ((True, "ON"), (False, "OFF"), (None, "OFF")):
        assert rendered(present["value_template"], example("zone", present=said)) == wanted


def test_a_problem_of_the_picture_is_a_problem_also_while_the_camera_gives_none() -> None:
    payload = street()
    problem = payload["components"]["problem"]
    assert problem["availability"] == payload["availability"][:1]
    assert rendered(problem["value_template"], b'{"problems": []}') == "OFF"
    found = b'{"problems": [{"problem": "moved"}, {"problem": "covered"}], "paused": true}'
    assert rendered(problem["value_template"], found) == "ON"
    about = json.loads(rendered(problem["json_attributes_template"], found))
    assert about == {"problems": ["moved", "covered"], "counting": False}


def test_objects_are_counted_by_class() -> None:
    components = street({"zones": {"all": EVERY_RULE}})["components"]
    said = json.dumps({"total": 3, "classes": {"person": 2, "car": 1}}).encode()
    assert rendered(components["objects"]["value_template"], said) == "3"
    assert json.loads(rendered(components["objects"]["json_attributes_template"], said)) == {
        "person": 2,
        "car": 1,
    }
    assert rendered(components["occupied"]["value_template"], said) == "ON"
    assert rendered(components["class-person"]["value_template"], said) == "2"
    assert rendered(components["class-person"]["value_template"], b'{"classes": {}}') == "0"


def test_settings_show_what_is_and_send_what_a_node_understands() -> None:
    components = street()["components"]
    said = b'{"confidence": 0.35, "detect_every": 3, "paused": false, "thumbnail_fps": 0.5}'
    for key, shown, chosen, field in (
        ("confidence", "0.35", 0.4, 0.4),
        ("detect_every", "3", 2, 2),
        ("thumbnail_fps", "0.5", 5, 5),
    ):
        one = components[key]
        assert rendered(one["value_template"], said) == shown
        assert one["command_topic"] == "darner/v1/box/request/set"
        request = messages.decode(messages.Request, rendered(one["command_template"], value=chosen).encode())
        assert (request.camera, getattr(request, key)) == ("street", field)
        assert one["min"] <= chosen <= one["max"]
    pause = components["paused"]
    assert rendered(pause["value_template"], said) == pause["state_off"]
    assert rendered(pause["value_template"], b'{"paused": true}') == pause["state_on"]
    for payload, wanted in ((pause["payload_on"], True), (pause["payload_off"], False)):
        assert messages.decode(messages.Request, payload.encode()).paused is wanted


def test_a_camera_says_how_it_is_and_why() -> None:
    components = street()["components"]
    said = example("camera_status")
    assert rendered(components["status"]["value_template"], said) in components["status"]["options"]
    since = json.loads(rendered(components["status"]["json_attributes_template"], said))["since"]
    assert since.startswith("2026-11-22T04:32:16")
    assert rendered(components["reason"]["value_template"], said) == "none"
    long = example("camera_status", reason="x" * 512)
    assert rendered(components["reason"]["value_template"], long) == "x" * 249 + "…"
    for key in ("fps_in", "fps_out", "dropped"):
        assert float(rendered(components[key]["value_template"], example("metrics"))) >= 0


def test_paused_is_available_and_offline_and_lost_cameras_are_not() -> None:
    payload = street()
    node, camera = payload["availability"]
    assert rendered(node["value_template"], example("status")) == "online"
    assert rendered(node["value_template"], example("status", status="offline")) == "offline"

    def there(status: str) -> bool:
        return rendered(camera["value_template"], example("camera_status", status=status)) == "online"

    assert {one for one in payload["components"]["status"]["options"] if there(one)} == {
        "streaming",
        "paused",
    }
    # One can still see why, and switch it on again.
    for key in ("status", "reason", "paused", "confidence"):
        assert payload["components"][key]["availability"][0] == node
        assert camera not in payload["components"][key]["availability"]
    # What happened last stays true: coming back is no reason to act.
    assert payload["components"]["line-gate-event"]["availability"] == []


def test_numbers_that_come_once_a_minute_expire() -> None:
    for key, one in street({"zones": {"all": EVERY_RULE}})["components"].items():
        if one["platform"] not in ("sensor", "binary_sensor"):
            continue
        if one.get("state_class") == "total" or "average" in one["name"]:
            # Home Assistant would restore it without the time of its reset, and count it once more.
            assert "expire_after" not in one, key
            continue
        if key == "problem" or key.endswith("-status"):  # come when they change
            assert "expire_after" not in one
            continue
        assert one["expire_after"] == (60 if one["state_topic"].endswith("/metrics") else 180), key
        assert one["qos"] == (0 if one["state_topic"].endswith("/metrics") else 1), key


def test_totals_say_since_when_they_count_so_that_statistics_go_on_after_a_restart() -> None:
    components = street()["components"]
    for key in ("zone-all-entered", "zone-all-exited", "line-gate-in", "line-gate-out"):
        assert components[key]["state_class"] == "total"
        since = rendered(components[key]["last_reset_value_template"], example("zone", started_us=1_000_000))
        assert since == "1970-01-01T00:00:01+00:00"


RULES = {"a": RuleDefinition(when=Condition(trigger="stay", for_s=60))}
NAME = st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True)


@settings(max_examples=25)
@given(node=NAME, cameras=st.sets(NAME, min_size=1, max_size=4), zones=st.sets(NAME, max_size=6))
def test_no_two_entities_of_any_configuration_share_an_id(
    node: str, cameras: set[str], zones: set[str]
) -> None:
    half = sorted(zones)[: len(zones) // 2]
    camera = {
        "zones": dict.fromkeys(zones - set(half), EVERY_RULE),
        "lines": {name: {"points": [[0, 0], [1, 1]]} for name in half},
    }
    edge = config(node=node, cameras={name: {"source": "0"} | camera for name in cameras})
    payloads = [device(edge, name, one, RULES) for name, one in edge.cameras.items()]
    triggers = [(c["type"], c["subtype"]) for c in payloads[0]["components"].values() if "subtype" in c]
    assert len(set(triggers)) == len(triggers)
    ids = [c["unique_id"] for p in payloads for c in p["components"].values() if "unique_id" in c]
    assert len(set(ids)) == len(ids)
    for payload in payloads:
        check(payload)


@settings(max_examples=40)
@hypothesis_example("}} {{ 1 %} {# \" ' \\ \n 信号 😀")
@given(st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable()))
def test_a_class_may_be_called_anything(label: str) -> None:
    components = street({"zones": {"all": {**EVERY_RULE, "classes": [label]}}})["components"]
    said = json.dumps({"classes": {label: 7}}).encode()
    assert rendered(components[f"class-{label}"]["value_template"], said) == "7"


def test_what_is_so_now_is_available_only_once_it_was_said_since_home_assistant_started() -> None:
    payload = street({"zones": {"all": EVERY_RULE}})
    of_zone = {"count", "occupied", "longest_stay", "loitering", "crowded", "queue", "longest_wait"}
    of_zone |= {"present"}
    own = {"objects", "occupied", "class-person", *(f"zone-all-{one}" for one in of_zone)}
    of_node = {"status", "reason"}  # they say why the camera is away
    for key, one in payload["components"].items():
        waits = one.get("state_topic") in [each["topic"] for each in one.get("availability", [])]
        assert waits == (key in own | of_node), key
    for key in own | of_node:
        one = payload["components"][key]
        *others, said = one["availability"]
        assert others == payload["availability"][: 1 if key in of_node else 2]
        assert said["topic"] == one["state_topic"]
        assert rendered(said["value_template"], example("zone")) == "online"


def test_a_camera_with_twenty_zones_stays_below_128_kb() -> None:
    plain = {"polygon": EVERY_RULE["polygon"]}
    payload = street({"zones": {f"zone-number-{i}": plain for i in range(20)}, "lines": {}})
    assert len(orjson.dumps(payload)) < 128_000


def test_more_than_a_message_holds_is_left_out_from_the_end_and_said(caplog: Any) -> None:
    payload = street({"zones": {f"zone-{i}": EVERY_RULE for i in range(256)}, "lines": {}})
    fits = fitting(payload, "camera street", limits.PAYLOAD_BYTES)
    assert len(orjson.dumps(fits)) <= limits.PAYLOAD_BYTES < len(orjson.dumps(payload))
    assert list(payload["components"])[: len(fits["components"])] == list(fits["components"])
    assert "camera street" in caplog.text
    assert "use fewer zones" in caplog.text
    small = street()
    assert fitting(small, "camera street", limits.PAYLOAD_BYTES) == small
