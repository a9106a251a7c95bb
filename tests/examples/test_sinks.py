"""The files of examples/sinks name topics and fields that exist; `make test-integrations` runs most."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from shared.wire import messages, topics
from shared.wire.messages.events import Gap
from shared.wire.messages.zones import DayCounters, Queue
from tests.conftest import REPO

SINKS = REPO / "examples" / "sinks"
PREFIX = "darner/v1"
KNOWN = {row.filter(PREFIX): row for row in topics.TABLE}
TOPIC = re.compile(r"(?:darner/v1|\$PREFIX)(/\+[\w/+-]*)")


def fields(*kinds: type) -> set[str]:
    return {field.name for kind in kinds for field in dataclasses.fields(kind)}


@pytest.mark.parametrize("file", sorted(SINKS.rglob("*.sh")), ids=lambda file: str(file.relative_to(SINKS)))
def test_scripts_are_bash_and_subscribe_to_topics_that_exist(file: Path) -> None:
    subprocess.run(["bash", "-n", file], check=True)
    named = {PREFIX + rest for rest in TOPIC.findall(file.read_text())}
    assert named
    assert named <= set(KNOWN)


def test_the_schema_of_postgresql_reads_fields_that_exist() -> None:
    text = (SINKS / "postgresql" / "schema.sql").read_text()
    inside = fields(Gap, Queue)
    of_event = text[text.index("function darner.store_event") : text.index("function darner.store_zone")]
    of_zone = text[text.index("function darner.store_zone") : text.index("function darner.store(")]
    for body, kind in ((of_event, messages.Event), (of_zone, messages.ZoneState)):
        named = set(re.findall(r"->>? '(\w+)'", body))
        assert named
        assert named <= fields(kind) | inside


def test_the_lines_of_influxdb_are_made_of_the_captured_messages() -> None:
    names = ("events", "zone", "count", "alert")
    examples = [json.loads((REPO / f"docs/examples/{name}.json").read_text()) for name in names]
    day = {"entered": 5, "exited": 4, "since_us": 1, "by_class": {}}
    examples[1]["payload"] |= {"paused": "schedule", "day": day}
    given = "".join(json.dumps(example["payload"]) + "\n" for example in examples)
    words = ["jq", "-R", "-r", "-f", str(SINKS / "influxdb" / "lines.jq")]
    done = subprocess.run(words, input=f"{{\n{given}[]\n", capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [line.partition(",")[0] for line in lines[:3]] == ["darner_event", "darner_zone", "darner_count"]
    event = examples[0]["payload"]
    assert lines[0].endswith(f" {event['occurred_us']}{event['number'] % 1000:03}")
    assert f"track_id={event['track_id']}i,dwell_s={event['dwell_s']}" in lines[0]
    assert 'paused="schedule",day_entered=5i,day_exited=4i' in lines[1]
    alert = examples[3]["payload"]["alert"]
    assert f'alert_rule="{alert["rule"]}",alert_severity="{alert["severity"]}"' in lines[-1]


def telegraf(name: str) -> dict[str, Any]:
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    tables: dict[str, Any] = tomllib.loads((SINKS / "telegraf" / f"{name}.conf").read_text())
    return tables


def test_telegraf_reads_topics_and_fields_that_exist_and_loses_none_of_its_sessions() -> None:
    inputs = telegraf("darner")["inputs"]["mqtt_consumer"]
    assert len({each["client_id"] for each in inputs}) == len(inputs)
    for each in inputs:
        assert (each["qos"], each["persistent_session"]) == (1, True)
        (topic,) = each["topics"]
        kind = KNOWN[topic].payload
        assert isinstance(kind, type)
        queue = {f"queue_{name}" for name in fields(Queue)}
        inner = {f"alert_{name}" for name in fields(messages.Alert)}
        inner |= {f"day_{name}" for name in fields(DayCounters)}
        known = fields(kind) | queue | inner | {"classes_*"}
        named = {
            *each["tag_keys"],
            *each.get("json_string_fields", []),
            *each["fieldinclude"],
            each["json_time_key"],
        }
        assert named <= known, topic


@pytest.mark.parametrize("name", ["influxdb", "timescaledb", "kafka"])
def test_each_other_file_of_telegraf_has_one_output(name: str) -> None:
    assert len(telegraf(name)["outputs"]) == 1


@pytest.mark.parametrize("file", sorted((SINKS / "bridges").glob("*.conf")), ids=lambda file: file.stem)
def test_bridges_send_topics_that_exist_with_at_most_seven_slashes(file: Path) -> None:
    sent = re.findall(
        r"^(?:# )?topic (\S+) (out|in) 1 darner/v1/ darner/v1/$", file.read_text(), re.MULTILINE
    )
    assert len(sent) == len(re.findall(r"^(?:# )?topic \S+ (?:out|in|both)", file.read_text(), re.MULTILINE))
    for pattern, direction in sent:
        row = KNOWN[f"{PREFIX}/{pattern}"]
        assert (row in topics.TO_NODES) == (direction == "in")
        assert row.path(PREFIX, **dict.fromkeys(re.findall(r"{(\w+)}", row.pattern), "x")).count("/") <= 6
