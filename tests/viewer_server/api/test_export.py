"""Tables that a spreadsheet opens: names come from the wire, and none of them is run as a formula."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viewer_server.api.export import series_csv
from viewer_server.stored.series import SeriesPause

EMPTY: dict[str, Any] = {
    **{name: [0] for name in ("start_us", "entered", "exited", "lost", "occupancy_mean", "paused_s")},
    "step_s": 60,
    "pauses": [],
}


def cell(text: str) -> str:
    """What the table says for a text."""
    table = series_csv({**EMPTY, "occupancy_peak": [text]}).get_data(as_text=True)
    return list(csv.reader(io.StringIO(table, newline="")))[1][5]


def test_a_step_says_how_long_and_why_nothing_was_counted() -> None:
    spans = ((0, 1, "frozen"), (60_000_000, 70_000_000, "moved"), (70_000_000, 90_000_000, "schedule"))
    pauses = [SeriesPause(from_us=from_us, to_us=to_us, reason=why) for from_us, to_us, why in spans]
    steps = {name: [0, 0] for name in EMPTY} | {
        "start_us": [60_000_000, 120_000_000], "occupancy_peak": [None, 1.5], "paused_s": [30.0, 0.0],
        "step_s": 60, "pauses": pauses,
    }  # fmt: skip
    table = series_csv(steps).get_data(as_text=True).splitlines()
    assert table[0].endswith("occupancy_peak,paused_s,paused")
    assert [row.split(",", 5)[5] for row in table[1:]] == [",30.0,moved schedule", "1.5,0.0,"]


def test_a_step_in_which_nothing_was_counted_all_the_time_has_no_zeros() -> None:
    steps = {name: [0, 0, 0] for name in EMPTY} | {
        "entered": [0, 0, 1], "occupancy_peak": [None] * 3, "paused_s": [59.9, 60.0, 60.0], "step_s": 60,
        "pauses": [],
    }  # fmt: skip
    table = series_csv(steps).get_data(as_text=True).splitlines()
    assert [row.split(",")[1:4] for row in table[1:]] == [["0", "0", "0"], ["", "", ""], ["1", "", ""]]


@pytest.mark.parametrize(
    "start",
    [
        "=",
        "+",
        "-",
        "@",
        "\t",
        "\r",
        "\n",
        " ",
        "\uff1d",
        "\uff0b",
        "\uff0d",
        "\uff20",
        "|",
        "\u200b",
        "'",
        '"',
    ],
)
def test_what_might_begin_a_formula_begins_with_an_apostrophe(start: str) -> None:
    assert cell(f"{start}1+1").startswith("'")
    assert cell(f"{start} =1+1").startswith("'")


@pytest.mark.parametrize("separator", [";", "\t", "\n", "\r"])
def test_nor_does_a_cell_begin_with_one_where_another_separator_is_used(separator: str) -> None:
    assert f"{separator}'=" in cell(f"person{separator}=1+1")


@pytest.mark.parametrize("text", ["person", "traffic light", "_x", "7", "ЛАДА", "自転車", "a-b", "a, b", "é"])
def test_ordinary_names_stay_as_they_are(text: str) -> None:
    assert cell(text) == text


def test_a_nul_is_replaced_because_many_readers_refuse_it() -> None:
    assert cell("per\0son") == "per\ufffdson"


@given(st.text(max_size=30))
def test_no_text_begins_a_cell_with_a_sign(text: str) -> None:
    for part in cell(text).replace("\t", ";").replace("\n", ";").replace("\r", ";").split(";"):
        assert part == "" or part[0] == "'" or part[0] == "_" or part[0].isalnum()
