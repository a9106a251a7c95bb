"""Downloads: tables as CSV, and events as one JSON object a line."""

from __future__ import annotations

import csv
import functools
import io
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from typing import Any

import flask
import orjson

from shared.wire.messages import Event
from viewer_server.api.called import Called
from viewer_server.stored import feed
from viewer_server.stored.feed import Filter, Position
from viewer_server.stored.reading import EXPORT_TURN_S, Database
from viewer_server.stored.series import SeriesPause

MAX_EVENTS = 200_000
_START = re.compile(r"(^|[;\t\r\n])(?=\W)")
"""Where a cell begins with no letter, digit or _. Some spreadsheets begin a cell at each semicolon."""
EVENT_COLUMNS = (
    "time", "node", "camera", "type", "zone", "label", "track_id", "direction", "dwell_s", "count",
    "event_id", "historical",
)  # fmt: skip
NAME_COLUMNS = ("node_name", "camera_name", "zone_name")
"""At the end, because programs count columns."""


def series_csv(series: dict[str, Any]) -> flask.Response:
    """A series as a table, one step per row; without zeros where nothing was counted all the time."""
    counts = ("entered", "exited", "lost")
    columns = (*counts, "occupancy_mean", "occupancy_peak", "paused_s")
    header = ("time", *columns, "paused")
    step_us = series["step_s"] * 1_000_000
    why = (_reasons(series["pauses"], start_us, start_us + step_us) for start_us in series["start_us"])
    off = [paused_s >= series["step_s"] for paused_s in series["paused_s"]]
    series |= {
        name: [None if o and not n else n for n, o in zip(series[name], off, strict=True)] for name in counts
    }
    rows = zip(map(_time, series["start_us"]), *(series[name] for name in columns), why, strict=True)
    return _download((_lines([header, *rows]),), "text/csv; charset=utf-8", "series.csv")


def events_csv(history: Database, wanted: Filter, names: Called) -> flask.Response:
    """Events as a table, with what people call their places now."""
    head = _lines([(*EVENT_COLUMNS, *NAME_COLUMNS)])
    lines = functools.partial(_row_lines, names)
    return _events(history, wanted, head, lines, "text/csv; charset=utf-8", "events.csv")


def events_ndjson(history: Database, wanted: Filter) -> flask.Response:
    """Events as the nodes sent them, one a line."""
    return _events(history, wanted, b"", _json_lines, "application/x-ndjson", "events.ndjson")


def _events(
    history: Database,
    wanted: Filter,
    head: bytes,
    lines: Callable[[list[Event]], bytes],
    media: str,
    name: str,
) -> flask.Response:
    # The first page is read now: an error must be reported before the answer begins.
    with history.reading(export=True) as db:
        first, more = feed.page(db, wanted, feed.PAGE_MAX)

    def parts() -> Iterator[bytes]:
        yield head + lines(first)
        after: Position | None = more
        for _ in range(MAX_EVENTS // feed.PAGE_MAX - 1):
            if after is None:
                return
            with history.reading(export=True, turn_s=EXPORT_TURN_S) as db:
                page, after = feed.page(db, wanted, feed.PAGE_MAX, after)
            yield lines(page)

    return _download(parts(), media, name)


def _json_lines(events: list[Event]) -> bytes:
    return b"".join(orjson.dumps(event) + b"\n" for event in events)


def _row_lines(names: Called, events: list[Event]) -> bytes:
    return _lines(
        [
            (
                _time(event.occurred_us),
                *(getattr(event, name) for name in EVENT_COLUMNS[1:]),
                *names.of(event.node, event.camera, event.zone).values(),
            )
            for event in events
        ]
    )


def _lines(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _cell(value: object) -> object:
    """Quote what a spreadsheet might run as a formula (OWASP, CSV injection): names come from the wire.

    A NUL becomes U+FFFD: `csv` of Python 3.10 can neither write nor read one.
    """
    return _START.sub(r"\1'", value.replace("\0", "\ufffd")) if isinstance(value, str) else value


def _time(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, timezone.utc).isoformat(timespec="milliseconds")


def _reasons(pauses: list[SeriesPause], from_us: int, to_us: int) -> str:
    """Why nothing was counted for a part of a step."""
    return " ".join(sorted({one.reason for one in pauses if one.from_us < to_us and one.to_us > from_us}))


def _download(parts: Iterable[bytes], media: str, name: str) -> flask.Response:
    response = flask.Response(parts, content_type=media)
    response.headers["Content-Disposition"] = f'attachment; filename="darner-{name}"'
    return response
