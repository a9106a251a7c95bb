"""What happens at zones and lines, as ONVIF's events, of scenes whose truth is known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jsonschema

from edge_node.analytics.watch import Analysed
from edge_node.mirror.rules import Rules, Said
from edge_node.onvif import event
from edge_node.onvif.classes import kinds
from shared.wire.messages import LineDefinition, Problem, ZoneDefinition
from tests.edge_node.consolidate.test_consolidation import START_US, items
from tests.edge_node.onvif.shapes import EVENT, EVENT_TOPIC
from tests.edge_node.scenes import CLASSES, Actor, between, clock, square, stand, walk

ACROSS = walk((1.0, 0.05, 0.5), (10.0, 0.95, 0.5))
ZONES = {"yard": ZoneDefinition(polygon=square(), loitering_s=2.0)}
LINES = {"gate": LineDefinition(points=((0.5, 1.0), (0.5, 0.0)))}


def told(frames: Iterable[Analysed], rules: Rules | None = None) -> list[Said]:
    rules = rules or Rules("street", kinds(CLASSES))
    said = [one for item in frames for one in rules.take(item)]
    for one in said:
        assert re.fullmatch(EVENT_TOPIC, f"box/{one.rule.levels}")
        if one.payload is not None:
            jsonschema.validate(one.payload, EVENT)
    return said


def scene(
    actors: Sequence[Actor],
    times: Sequence[float],
    zones: Mapping[str, ZoneDefinition] = ZONES,
    lines: Mapping[str, LineDefinition] = LINES,
) -> list[Said]:
    return told(items(actors, times, zones, lines))


def of(said: Iterable[Said], topic: str, name: str | None = None) -> list[Any]:
    """The data of all events of a topic; None where a property is no more."""
    return [
        one.payload and one.payload["Data"]
        for one in said
        if one.rule.topic == topic and name in (None, one.rule.name)
    ]


def test_a_crossing_is_an_event_of_the_line_detector_at_its_own_time() -> None:
    said = scene([Actor(7, ACROSS, class_id=1)], clock(10, 14))
    (crossed,) = [one for one in said if one.rule.topic == event.CROSSED]
    assert crossed.rule.levels == "onvif-ej/RuleEngine/LineDetector/Crossed/&street/gate"
    assert crossed.payload is not None
    assert crossed.payload["Data"] == {"ObjectId": "7", "ClassTypes": "Vehicle", "darner:Direction": "in"}
    assert START_US == 1_700_000_000_000_000
    assert crossed.payload["UtcTime"].startswith("2023-11-14T22:13:25."), "5 s after the start, not later"


def test_a_line_has_a_counter_for_each_direction() -> None:
    back = walk((1.0, 0.05, 0.5), (6.0, 0.95, 0.5), (11.0, 0.05, 0.5))
    said = scene([Actor(1, back)], clock(10, 14))
    assert of(said, event.COUNTER, "gate-in") == [{"Count": 0}, {"Count": 1}]
    assert of(said, event.COUNTER, "gate-out") == [{"Count": 0}, {"Count": 1}]


def test_a_zone_names_who_is_inside_whenever_that_changes() -> None:
    said = scene([Actor(1, stand(0.5, 0.5, 1.0, 4.0)), Actor(2, ACROSS, class_id=2)], clock(10, 14))
    inside = of(said, event.INSIDE, "yard")
    assert inside == [
        {"IsInside": False, "ObjectId": "", "ClassTypes": ""},
        {"IsInside": True, "ObjectId": "1", "ClassTypes": "Human"},
        {"IsInside": True, "ObjectId": "1 2", "ClassTypes": "Human Animal"},
        {"IsInside": True, "ObjectId": "2", "ClassTypes": "Animal"},
        {"IsInside": False, "ObjectId": "", "ClassTypes": ""},
    ]
    assert [one["Count"] for one in of(said, event.OCCUPANCY, "yard")] == [0, 1, 2, 1, 0]


def test_loitering_is_a_property_that_is_no_more_when_the_last_has_gone() -> None:
    said = scene([Actor(1, stand(0.5, 0.5, 0.0, 5.0)), Actor(2, stand(0.4, 0.5, 1.0, 7.0))], clock(10, 14))
    first, both, one, none = of(said, event.LOITERING)
    assert [first["ObjectId"], both["ObjectId"], one["ObjectId"], none] == ["1", "1 2", "2", None]
    assert [first["Since"], both["Since"], one["Since"]] == [
        "2023-11-14T22:13:22.000Z",
        "2023-11-14T22:13:22.000Z",
        "2023-11-14T22:13:23.000Z",
    ]


def test_who_goes_on_under_a_new_id_is_still_inside() -> None:
    first, second = Actor(1, between(ACROSS, 0, 5.0)), Actor(2, between(ACROSS, 5.5, 11.0))
    names = [one["ObjectId"] for one in of(scene([first, second], clock(10, 14)), event.INSIDE)]
    assert names == ["", "1", "2", ""]


def test_a_zone_that_is_gone_takes_its_properties_along() -> None:
    rules = Rules("street", kinds(CLASSES))
    with_zone = list(items([Actor(1, stand(0.5, 0.5))], clock(10, 1), ZONES, LINES))
    told(with_zone, rules)
    last = with_zone[-1]
    numbers = {"gate": last.report.numbers["gate"]}
    without = replace(last, report=replace(last.report, numbers=numbers, happenings=[]))
    gone = told([without], rules)
    assert {(one.rule.topic, one.payload) for one in gone} == {(event.INSIDE, None), (event.OCCUPANCY, None)}
    assert {one.rule.topic for one in rules.clear()} == {event.COUNTER}
    assert list(rules.clear()) == []


def test_nothing_is_said_twice() -> None:
    rules = Rules("street", kinds(CLASSES))
    frames = list(
        items([Actor(1, stand(0.5, 0.5))], clock(10, 5), {"yard": ZoneDefinition(polygon=square())})
    )
    assert told(frames[:10], rules)
    assert told(frames[10:], rules) == []


def test_what_is_wrong_with_a_picture_is_said_in_the_words_that_onvif_has_for_it() -> None:
    rules, frames = Rules("street", kinds(CLASSES)), items([], clock(10, 2))
    states = dict.fromkeys((event.BLURRY, event.BRIGHT, event.CHANGED), False)
    table: tuple[tuple[set[Problem], set[str]], ...] = (
        (set(), set()),
        ({"covered", "low_rate"}, {event.CHANGED}),
        ({"moved", "out_of_focus"}, {event.CHANGED, event.BLURRY}),
        ({"washed_out", "frozen", "wrong_colours"}, {event.BRIGHT}),
    )
    for problems, true in table:
        for one in rules.take(next(frames), frozenset(problems)):
            jsonschema.validate(one.payload, EVENT)
            assert re.fullmatch(EVENT_TOPIC, f"box/{one.rule.levels}")
            assert one.payload is not None
            assert one.payload["Source"] == {"Source": "street"}
            states[one.rule.topic] = one.payload["Data"]["State"]
        assert {topic for topic, state in states.items() if state} == true
        assert list(rules.take(next(frames), frozenset(problems))) == [], "nothing is said twice"
    gone = {one.rule.topic: one.payload for one in rules.take(next(frames), None)}
    assert gone == dict.fromkeys(states), "nobody judges the picture"


def test_the_types_in_view_are_said_when_they_change_but_not_more_than_once_a_second() -> None:
    actors = [Actor(1, stand(0.5, 0.5, 1.0, 9.0)), Actor(2, stand(0.2, 0.5, 1.2, 5.0), class_id=1)]
    flicker = Actor(3, lambda t: (0.8, 0.5) if round(t * 10) % 2 else None, class_id=2)
    said = of(scene(actors, clock(10, 14), {}, {}), event.OBJECTS)
    assert [one["ClassTypes"] for one in said] == ["Human", "Human Vehicle", "Human", ""]
    assert len(of(scene([flicker], clock(10, 5), {}, {}), event.OBJECTS)) <= 6


def test_a_crossing_that_only_the_end_makes_certain_is_said_too() -> None:
    rules = Rules("street", kinds(CLASSES))
    frames = list(items([Actor(7, ACROSS)], clock(10, 14), {}, LINES))
    crossed = next(item for item in frames if any(h.type == "line_crossed" for h in item.report.happenings))
    said = list(rules.take(crossed, ends=True))
    assert [one.rule.topic for one in said] == [event.CROSSED, event.COUNTER, event.COUNTER]
