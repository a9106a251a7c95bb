"""What people are told about rules that cannot do what they say, and about texts that cannot be filled in."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import pytest

from shared.errors import ConfigError
from shared.rules.engine import Engine
from shared.rules.problems import problems
from shared.rules.scene import Scene
from shared.rules.state import WINDOW
from shared.rules.texts import FIELDS, bad_text, fill, refuse_bad_texts
from shared.wire.messages import Crowd, LineDefinition, RuleDefinition, ZoneDefinition
from tests.shared.rules.scenes import enters, play, rule

SQUARE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))
LINE = LineDefinition(points=((0.0, 0.5), (1.0, 0.5)))


@dataclass
class Camera:
    zones: dict[str, ZoneDefinition] = field(default_factory=dict)
    lines: dict[str, LineDefinition] = field(default_factory=dict)


CAMERAS = {
    "front": Camera(
        {
            "till": ZoneDefinition(polygon=SQUARE, loitering_s=60, queue=True),
            "cars": ZoneDefinition(polygon=SQUARE, classes=("car",)),
            "shelf": ZoneDefinition(polygon=SQUARE, schedule="leap"),
        },
        {"gate": LINE},
    ),
    "back": Camera({"yard": ZoneDefinition(polygon=SQUARE, crowd=Crowd(count=5))}),
}
ENTERS = rule("event", events=("zone_entered",))
COUNT = rule("count", events=("line_crossed",), at_least=3, within_s=10)

PROBLEMS: list[tuple[RuleDefinition, str | None]] = [
    (ENTERS, None),
    (COUNT, None),
    (rule("stay", for_s=60), None),
    (rule("occupancy", at_most=0, zones=("till",)), None),
    (rule("problem", for_s=5), None),
    (rule("offline", for_s=60), None),
    (replace(ENTERS, enabled=False), None),
    (replace(ENTERS, cameras=("side",)), "never fire: the node has no camera 'side'"),
    (replace(ENTERS, cameras=("side", "front")), "names camera 'side', which"),
    (rule("event", events=("zone_entered",), zones=("shed",)), "never fire: 'shed' is on no camera"),
    (rule("stay", zones=("yard",), cameras=("front",)), "'yard' is only on back, which it leaves out"),
    (rule("stay", zones=("gate",)), "never fire: objects stay in zones, and it names lines"),
    (rule("occupancy", at_least=1, zones=("cars",), classes=("person",)), "count none of its classes"),
    (rule("event", events=("zone_entered",), zones=("gate",)), "zone_entered comes from zones"),
    (rule("event", events=("line_crossed",), cameras=("back",)), "line_crossed comes from lines"),
    (rule("event", events=("loitering",), zones=("yard",)), "set loitering_s of the zone"),
    (rule("event", events=("loitering",)), None),
    (rule("event", events=("queue_started",), zones=("yard",)), "set queue of the zone"),
    (rule("event", events=("crowd_started",), zones=("till",)), "set crowd of the zone"),
    (rule("event", events=("presence_started",)), "set presence of the zone"),
    (rule("event", events=("crowd_started",), classes=("person",)), "crowd_started is about no class"),
    (rule("event", events=("track_started",), zones=("till",)), "track_started is about no zone"),
    (rule("event"), "never fire: it names no events"),
    (rule("event", events=("zone_entered",), direction="in"), "direction has no effect"),
    (rule("event", events=("zone_entered",), dwell_s=3), "dwell_s has no effect"),
    (rule("event", events=("zone_entered",), classes=("dragon",)), "class 'dragon', which the model"),
    (rule("occupancy"), "never fire: occupancy needs at_least or at_most"),
    (rule("occupancy", at_least=3, at_most=2), "at_least is above at_most"),
    (rule("occupancy", at_least=10**6), "at most 10000 objects"),
    (rule("count", events=("zone_entered",), at_least=3), "never fire: count needs at_least and within_s"),
    (rule("count", events=("zone_entered",), at_least=WINDOW + 1, within_s=9), "never fire: at most 1000"),
    (rule("offline", zones=("till",)), "is about the whole node"),
    (rule("problem", classes=("car",)), "is about a whole camera"),
    (replace(ENTERS, first_of="schedule"), "fires each time: first_of is schedule"),
    (replace(ENTERS, schedule="moon"), "always holds: the calendar has no schedule 'moon'"),
    (replace(ENTERS, schedule="leap"), "never fire: its schedule 'leap' is never active"),
    (rule("occupancy", at_least=1, object_cooldown_s=5), "object_cooldown_s has no effect"),
    (rule("stay", zones=("shelf",)), "never fire: the schedules of its zones and lines are never active"),
    (rule("stay", zones=("shelf", "till")), None),
    (
        rule("stay", schedule="night", for_s=7200),
        "never fire: its schedule 'night' is never",
    ),
    (rule("stay", schedule="night", for_s=3600), None),
]


def test_as_many_rules_as_there_may_be_are_looked_at_soon_on_the_largest_node() -> None:
    places = Camera({f"z{number}": ZoneDefinition(polygon=SQUARE) for number in range(64)})
    events = ("loitering", "crowd_started", "crowd_ended", "queue_started", "queue_ended", "presence_started")
    asks = rule("event", events=events, zones=tuple(places.zones))
    begin_s = time.process_time()
    found = problems({f"r{n}": asks for n in range(256)}, {f"c{n}": places for n in range(256)})
    assert len(found) == 256
    assert time.process_time() - begin_s < 10  # looked through for each event, they take 40 s


@pytest.mark.parametrize(("wanted", "said"), PROBLEMS)
def test_a_rule_that_cannot_do_what_it_says_is_explained(wanted: RuleDefinition, said: str | None) -> None:
    known = ("person", "car"), ("night", "leap"), ("leap",), lambda _, for_s: for_s < 7200
    found = problems({"r": wanted}, CAMERAS, *known).get("r", ())
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


@pytest.mark.parametrize(
    ("wanted", "fires"),
    [
        (rule("occupancy", at_most=0, zones=("cars",), classes=("person",)), True),  # nobody is there
        (rule("occupancy", at_most=3, at_least=0, classes=("dragon",)), True),
        (rule("occupancy", at_least=1, zones=("cars",), classes=("person",)), False),
        (rule("stay", classes=("dragon",)), False),
        (rule("event", events=("zone_entered",), classes=("dragon", "unicorn")), False),
        (rule("event", events=("zone_entered",), classes=("dragon", "car")), True),
        (rule("count", events=("zone_entered",), at_least=1), False),
        (rule("count", events=("zone_entered",), within_s=60), False),
        (rule("count", events=("zone_entered",), at_least=0, within_s=60), True),
    ],
)
def test_what_never_fires_says_so_and_nothing_else_does(wanted: RuleDefinition, fires: bool) -> None:
    found = problems({"r": wanted}, CAMERAS, ("person", "car")).get("r", ())
    engine = Engine({"r": wanted}, Scene(node="shop", camera="front", zones={"cars": "Cars"}))
    assert bool(play(engine, [enters(1, zone="cars", label="car"), 9.0])) == fires
    assert any("can never fire" in one for one in found) != fires


@pytest.mark.parametrize(
    ("template", "wrong"),
    [
        ("{camera}: {count} in {zone} at {time}, {{really}}", None),
        ("", None),
        ("{zone", "a brace stands alone at character 1"),
        ("zone}", "a brace stands alone at character 5"),
        ("{}", "no field {}"),
        ("{0}", "no field {0}"),
        ("{zone!r}", "no field {zone!r}"),
        ("{zone:>9999999999}", "no field {zone:>9999999999}"),
        ("{zone.__class__}", "no field {zone.__class__}"),
        ("{zone[0]}", "no field {zone[0]}"),
        ("{password}", "no field {password}"),
        ("{" + "x" * 500 + "}", "no field {xxxx"),
        ("{a{b}c}", "a brace stands alone"),
    ],
)
def test_a_text_names_known_fields_and_does_nothing_else(template: str, wrong: str | None) -> None:
    found = bad_text(template)
    assert (found is None) == (wrong is None)
    assert wrong is None or wrong in (found or "")
    if wrong is not None:
        with pytest.raises(ConfigError, match=r"^rules\.r\.text: "):
            refuse_bad_texts({"r": rule("offline", text=template)})


def test_what_is_filled_in_is_no_template() -> None:
    fields = dict.fromkeys(FIELDS) | {"zone": "{camera}{{", "label": "dog"}
    assert fill("{{{zone}}} {label} {count}", fields) == "{{camera}{{} dog -"
    assert len(fill("{zone}" * 80, {"zone": "x" * 500})) == 512
