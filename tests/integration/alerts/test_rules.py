"""Rules on a running node, over MQTT: they are set, fire, tell with a picture, and outlive a crash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from shared.pictures import read_jpeg_header
from shared.wire import topics
from tests.conftest import Mosquitto
from tests.integration.test_file_to_mqtt import Listener, config
from tests.integration.test_reload import Node, running

ENTERS = {
    "name": "Jemand",
    "when": {"trigger": "event", "events": ["zone_entered"], "zones": ["all"]},
    "severity": "critical",
    "text": "{label} in {zone} at {camera}",
}
CROWD = {"when": {"trigger": "occupancy", "at_least": 2, "for_s": 0.5}, "picture": "frame"}
FIRST = {"when": {"trigger": "stay", "for_s": 0.2}, "first_of": "day", "picture": "none"}


def pictures(heard: Listener) -> dict[str, bytes]:
    """The JPEGs that came so far, by topic."""
    return {received.topic: received.payload for row, _, received, _ in heard.seen if row is topics.SNAPSHOT}


def alerts(heard: Listener, rule: str) -> list[Any]:
    return [event for event in heard.of(topics.ALERT) if event.alert.rule == rule]


def remembered(folder: Path, rule: str) -> bool:
    """Whether a node that starts again will know that the rule has told."""
    file = folder / "alerts-box.json"
    states = orjson.loads(file.read_bytes())["cameras"] if file.is_file() else {}
    return any("last_us" in one["rules"].get(rule, {}) for one in states.values())


def test_rules_are_set_fire_and_outlive_a_crash(
    broker: Mosquitto, people_video: Path, tmp_path: Path
) -> None:
    prefix = "test-rules/v1"
    settings = config(broker.url, people_video, prefix, pace="realtime", loop=True, name="Straße")
    settings |= {"zones_file": str(tmp_path / "zones.json"), "outbox": {"path": str(tmp_path / "outbox.db")}}
    with running(broker, tmp_path, settings, prefix) as node:
        heard = node.heard
        assert heard.of(topics.RULES) == [], "nothing is said before there are rules"
        rules = {"enters": ENTERS, "crowd": CROWD, "first": FIRST, "lost": {"when": {"trigger": "event"}}}
        answer = node.ask("rules.set", version=0, rules=rules)
        assert answer.result == {
            "version": 1,
            "warnings": ["rule 'lost': can never fire: it names no events"],
        }
        assert node.ask("rules.set", version=0, rules={}).code == "conflict"
        heard.listen_until(lambda: all(alerts(heard, one) for one in ("enters", "crowd", "first")), 60)
        [said] = heard.of(topics.RULES)
        assert (said.version, said.rules.keys()) == (1, rules.keys())
        assert said.problems == {"lost": ("can never fire: it names no events",)}

        entered, crowd, first = (alerts(heard, one)[0] for one in ("enters", "crowd", "first"))
        heard.listen_until(lambda: {entered.snapshot, crowd.snapshot} <= pictures(heard).keys())
        assert (entered.alert.text, entered.alert.severity) == ("person in all at Straße", "critical")
        assert entered.snapshot.endswith(f"/{entered.track_id}")
        whole = read_jpeg_header(pictures(heard)[crowd.snapshot])
        assert whole is not None
        assert (whole.width, whole.height) == (768, 576)
        assert (crowd.track_id, crowd.zone) == (None, "all")
        assert crowd.count >= 2
        assert first.snapshot is None
        assert first.dwell_s >= 0.2
        heard.listen_until(
            lambda: (
                {one.event_id for one in heard.of(topics.ALERT)}
                <= {one.event_id for one in heard.of(topics.EVENTS)}
            )
        )
        events = {one.event_id: one for one in heard.of(topics.EVENTS)}
        assert all(events[one.event_id] == one for one in (entered, crowd, first))
        heard.listen_until(lambda: remembered(tmp_path, "first"))  # before that, a kill lets it repeat itself
        node.process.kill()
    with running(broker, tmp_path, settings, prefix) as node:
        heard = node.heard
        heard.listen_until(lambda: bool(alerts(heard, "enters")), 60)
        assert heard.of(topics.RULES)[-1].version == 1
        assert all(one.historical for one in alerts(heard, "first")), "the day's first was before the crash"
        assert node.ask("rules.set", version=1, rules={}).result["version"] == 2
        heard.listen_until(lambda: heard.of(topics.RULES)[-1].version == 2)
        settings["rules"] = {"gone": {"when": {"trigger": "stay", "zones": ["nowhere"]}}}
        node.write(settings)
        reloaded = node.ask("reload").result
        assert reloaded["applied"] == ["rules"]
        assert reloaded["warnings"] == ["rule 'gone': can never fire: 'nowhere' is on no camera"]
        heard.listen_until(lambda: heard.of(topics.RULES)[-1].rules.keys() == {"gone"})
        node.ask("rules.set", version=3, rules={})
        heard.listen_until(lambda: heard.of(topics.RULES)[-1].version == 4)
        assert heard.of(topics.RULES)[-1].rules == {}, "the rules stay, also when there are none"


HOSTILE = [
    pytest.param({"a": {}}, "rules.a", id="no condition"),
    pytest.param({"a/b": ENTERS}, "rules", id="a name that would change a topic"),
    pytest.param(
        {"a": ENTERS | {"text": "{node.__class__}"}}, "rules.a.text: there is no field", id="a field"
    ),
    pytest.param(
        {"a": ENTERS | {"text": "{zone:>999999999}"}}, "rules.a.text: there is no field", id="a width"
    ),
    pytest.param({"a": ENTERS | {"text": "x" * 600}}, "rules.a.text", id="a long text"),
    pytest.param({"a": ENTERS | {"name": "\u202eevil"}}, "U+202E", id="a name that turns the text"),
    pytest.param({"a": ENTERS | {"cooldown_s": -1}}, "rules.a.cooldown_s", id="a time before"),
    pytest.param({"a": {"when": {"trigger": "shell"}}}, "rules.a.when.trigger", id="an unknown trigger"),
    pytest.param({str(n): ENTERS for n in range(300)}, "rules", id="too many"),
    pytest.param(
        {
            str(n): {"when": {"trigger": "event", "classes": [f"{n:0100}" for n in range(90)]}}
            for n in range(90)
        },
        "message has room for",
        id="too large",
    ),
]


@pytest.fixture(scope="module")
def node(broker: Mosquitto, people_video: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder, prefix = tmp_path_factory.mktemp("node"), "test-bad-rules/v1"
    with running(
        broker, folder, config(broker.url, people_video, prefix, pace="realtime", loop=True), prefix
    ) as one:
        yield one


@pytest.mark.parametrize(("rules", "says"), HOSTILE)
def test_bad_rules_are_refused_in_words(node: Node, rules: dict[str, Any], says: str) -> None:
    answer = node.ask("rules.set", version=0, rules=rules)
    assert (answer.code, says in (answer.error or "")) == ("invalid", True), answer.error
