"""What becomes of an event on its way into PostgreSQL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from shared.wire.messages import Event, decode, decode_event
from tests.conftest import REPO
from viewer_server.archive.rows import Row, arrivals, pack, row, unpack

NOW_US = 1_800_000_000_000_000
EXAMPLE = json.loads((REPO / "docs/examples/events.json").read_text())["payload"]


def made(**fields: Any) -> Row:
    one = row(decode(Event, orjson.dumps(EXAMPLE | {"node": "box", "boot": "b-1"} | fields)), NOW_US)
    assert one is not None
    return one


def columns(one: Row) -> list[str]:
    """The row's columns as COPY reads them: https://www.postgresql.org/docs/current/sql-copy.html."""
    line = one.line().decode()
    assert line.endswith("\n")
    assert line.count("\n") == 1
    return [text.replace("\\\\", "\\") for text in line[:-1].split("\t")]


@pytest.mark.parametrize(
    "label",
    ["person", "tab\tnew\nline", 'quote " and \\ backslash', "\\N", "\\.", "Fußgänger 🚶", "\\u0000", ""],
)
def test_every_text_comes_out_of_copy_as_it_went_in(label: str) -> None:
    *_, body = columns(made(label=label))
    assert json.loads(body)["label"] == label


def test_a_character_that_postgresql_cannot_store_is_replaced() -> None:
    *_, body = columns(made(label="a\0b\\u0000"))
    assert json.loads(body)["label"] == "a\ufffdb\\u0000"
    alert = json.loads((REPO / "docs/examples/alert.json").read_text())["payload"]["alert"]
    *_, body = columns(made(type="alert", alert=alert | {"text": "a\0b"}))
    assert json.loads(body)["alert"]["text"] == "a\ufffdb"


def test_the_event_is_kept_as_it_was_sent_without_what_it_does_not_say() -> None:
    sent = {
        name: value for name, value in (EXAMPLE | {"node": "box", "boot": "b-1"}).items() if value is not None
    }
    assert json.loads(made().body) == sent | {"historical": sent.get("historical", False)}


def test_an_event_of_a_newer_node_is_kept_whole() -> None:
    sent = EXAMPLE | {"node": "box", "boot": "b-1", "type": "zone_emptied", "colour": "red", "problem": "fog"}
    payload = json.dumps(sent, indent=1).encode()  # a row has no line ends
    one = row(decode_event(payload)[0], NOW_US, payload)
    assert one is not None
    assert json.loads(columns(one)[-1]) == sent
    assert (one.boot, one.number) == ("b-1", sent["number"])


@pytest.mark.parametrize(
    ("occurred_us", "stored_us", "corrected"),
    [
        (NOW_US - 1_000_000, NOW_US - 1_000_000, False),
        (0, NOW_US, True),  # a clock that was never set
        (NOW_US + 3_600_000_000, NOW_US, True),  # a clock that is an hour ahead
    ],
)
def test_a_time_that_cannot_be_right_is_that_of_the_arrival(
    occurred_us: int, stored_us: int, corrected: bool
) -> None:
    one = made(occurred_us=occurred_us)
    assert (one.occurred_us, one.corrected) == (stored_us, corrected)


@pytest.mark.parametrize("field", ["boot", "number"])
def test_an_event_without_a_number_has_no_row(field: str) -> None:
    assert row(decode(Event, orjson.dumps(EXAMPLE | {field: None})), NOW_US) is None


def test_the_worker_that_leads_reads_what_a_batch_holds_of_each_boot() -> None:
    gap = {"boot": "b-0", "first": 7, "last": 9, "count": 3}
    rows = [
        made(number=5, oldest=4),
        made(number=4, oldest=4),
        made(number=6, oldest=6, type="gap", gap=gap),
        made(number=1, oldest=None, node="other"),
    ]
    found = dict(unpack(pack(arrivals(rows, {("box", "b-1"): 2}))))
    assert found["box", "b-1"].numbers == [5, 4, 6]
    assert (found["box", "b-1"].lowest, found["box", "b-1"].added) == (6, 2)
    assert (found["box", "b-0"].numbers, found["box", "b-0"].gaps) == ([], [(7, 9)])
    assert (found["other", "b-1"].lowest, found["other", "b-1"].added) == (1, 0)


def test_the_sql_is_part_of_the_package() -> None:
    from viewer_server.archive.database import SCHEMA_SQL

    assert Path(SCHEMA_SQL).is_relative_to(REPO / "viewer_server")
    assert '"archive/sql/*.sql"' in (REPO / "pyproject.toml").read_text()
