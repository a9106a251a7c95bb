"""Kept alerts, newest first: filtered, and page by page; and how many there are of each target."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from shared import typed
from shared.wire.messages import Severity
from viewer_server.notify.alert import RANKS, KeptAlert
from viewer_server.notify.store import State
from viewer_server.stored.feed import Position
from viewer_server.stored.reading import Reader

_EVER_US = 2**53


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which alerts are wanted; None stands for all.

    Attributes:
        severity: At least so urgent.
        state: With a delivery in this state.
        from_us: Earliest moment, microseconds UTC.
        to_us: End of the range, exclusive.
    """

    node: str | None = None
    camera: str | None = None
    rule: str | None = None
    severity: Severity | None = None
    state: State | None = None
    from_us: int = 0
    to_us: int = _EVER_US


@dataclass(frozen=True)
class Became:
    """A row of deliveries."""

    target: str
    state: State
    attempts: int
    first_us: int | None
    last_us: int | None
    due_us: int | None
    detail: str


@dataclass(frozen=True)
class Listed:
    """One alert of a page."""

    id: int
    alert: KeptAlert
    stored_us: int
    has_picture: bool
    deliveries: list[Became]


def page(
    db: Reader, wanted: Wanted, limit: int, after: Position | None
) -> tuple[list[Listed], Position | None]:
    """Alerts, the newest first, and the end of this page; None when this is the last one."""
    where, values = ["occurred_us >= ? AND occurred_us < ?"], [wanted.from_us, wanted.to_us]
    parameters: list[object] = list(values)
    if after is not None:
        where.append("occurred_us <= ? AND (occurred_us, id) < (?, ?)")
        parameters += [after.occurred_us, after.occurred_us, after.id]
    for column in ("node", "camera", "rule"):
        if (value := getattr(wanted, column)) is not None:
            where.append(f"{column} = ?")
            parameters.append(value)
    if wanted.severity is not None:
        where.append("severity >= ?")
        parameters.append(RANKS[wanted.severity])
    if wanted.state is not None:
        where.append("id IN (SELECT alert FROM deliveries WHERE state = ?)")
        parameters.append(wanted.state)
    sql = f"""SELECT occurred_us, id, payload, stored_us, jpeg IS NOT NULL FROM alerts
              WHERE {" AND ".join(where)} ORDER BY occurred_us DESC, id DESC LIMIT ?"""  # noqa: S608 - ours
    rows = db.execute(sql, (*parameters, limit + 1)).fetchall()
    found = []
    for _, number, payload, stored_us, has_picture in rows[:limit]:
        try:
            alert = typed.decode(payload, KeptAlert)
        except msgspec.DecodeError:  # stored by another version of Darner
            continue
        found.append(Listed(number, alert, stored_us, bool(has_picture), deliveries(db, number)))
    return found, Position(*rows[limit - 1][:2]) if len(rows) > limit else None


def deliveries(db: Reader, alert: int) -> list[Became]:
    """What became of an alert, by target."""
    sql = """SELECT target, state, attempts, first_us, last_us, due_us, detail FROM deliveries
             WHERE alert = ? ORDER BY target"""
    return [Became(*row) for row in db.execute(sql, (alert,))]


def picture(db: Reader, alert: int) -> bytes | None:
    """The picture of an alert, JPEG."""
    row = db.execute("SELECT jpeg FROM alerts WHERE id = ?", (alert,)).fetchone()
    return bytes(row[0]) if row and row[0] is not None else None


def counts(db: Reader) -> dict[str, dict[State, int]]:
    """How many deliveries of each target are in each state."""
    found: dict[str, dict[State, int]] = {}
    for target, state, count in db.execute(
        "SELECT target, state, count(*) FROM deliveries GROUP BY target, state"
    ):
        found.setdefault(target, {})[state] = count
    return found
