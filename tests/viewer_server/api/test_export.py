"""Tables that a spreadsheet opens: names come from the wire, and none of them is run as a formula."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viewer_server.api.export import series_csv

EMPTY: dict[str, Any] = {name: [0] for name in ("entered", "exited", "lost", "occupancy_mean")}


def cell(text: str) -> str:
    """What the table says for a text."""
    table = series_csv({"start_us": [0], **EMPTY, "occupancy_peak": [text]}).get_data(as_text=True)
    return list(csv.reader(io.StringIO(table, newline="")))[1][-1]


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


@given(st.text(max_size=30))
def test_no_text_begins_a_cell_with_a_sign(text: str) -> None:
    for part in cell(text).replace("\t", ";").replace("\n", ";").replace("\r", ";").split(";"):
        assert part == "" or part[0] == "'" or part[0] == "_" or part[0].isalnum()
