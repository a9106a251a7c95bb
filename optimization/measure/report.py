"""The table that evaluations of tracks print."""

from __future__ import annotations

_COLUMNS = ("hota", "deta", "assa", "mota", "idf1")


def header() -> str:
    """The first line of the table."""
    return f"{'':<20}{'HOTA':>7}{'DetA':>7}{'AssA':>7}{'MOTA':>7}{'IDF1':>7}{'IDsw':>7}"


def row(name: str, scores: dict[str, float]) -> str:
    """One line of the table."""
    numbers = "".join(f"{scores[key]:7.1f}" for key in _COLUMNS)
    return f"{name:<20}{numbers}{scores['idsw']:7d}"
