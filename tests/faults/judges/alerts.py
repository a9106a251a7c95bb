"""The judge of alerts: what receivers have got, compared with the alerts that the history has."""

from __future__ import annotations

import base64
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from shared.wire.picture_names import read_name

LATE_S = 31.0
"""An alert that is sent so much later says so, whatever the programs' clocks have rounded."""
FRESH_S = 2.0
"""How much younger than its alert a picture may be."""
BEFORE_S, BEHIND_S = 10.0, 40.0
"""How long before and behind the death of a program an alert may have a better view of its object, of a later
moment: it is sent again with the best view that there is by then."""


@dataclass(frozen=True)
class Alert:
    """An alert in the history.

    Attributes:
        targets: To which it goes; None: to all.
        has_picture: Whether the node has sent one.
    """

    event_id: str
    rule: str
    session: str
    occurred_s: float
    targets: tuple[str, ...] | None
    has_picture: bool = True


@dataclass(frozen=True)
class Got:
    """One message that a receiver has got.

    Attributes:
        message_id: The same at each attempt; the first alert where a receiver is told of none.
        alerts: Identifiers of the alerts in it.
        late: Whether the first says that it is late.
        jpeg: Its picture.
    """

    message_id: str
    alerts: tuple[str, ...]
    late: bool
    jpeg: bytes | None = None

    @classmethod
    def from_hook(cls, message_id: str, body: Mapping[str, Any]) -> Got:
        """The body of a webhook."""
        data = body["data"]
        ids = (data["event_id"], *(one["event_id"] for one in data["more"]))
        picture = data["picture"]
        return cls(message_id, ids, data["late"], base64.b64decode(picture["base64"]) if picture else None)

    @classmethod
    def from_mail(cls, text: str, pictures: Sequence[bytes] = ()) -> Got:
        """The text of a mail that begins with the identifier of its alert, and its pictures."""
        first, _, rest = text.partition("\n")
        ids = (first.split()[0], *re.findall(r"\[([\w-]+)\]\s*$", rest, re.MULTILINE))
        return cls(ids[0], ids, "(late)" in first, *pictures[:1])


def read_alerts(path: Path, node: str) -> list[Alert]:
    """The node's alerts in the viewer's history, in the order in which they were stored."""
    database = sqlite3.connect(path)
    try:
        sql = "SELECT payload FROM events WHERE node = ? AND type = 'alert' ORDER BY id"
        events = [orjson.loads(payload) for (payload,) in database.execute(sql, (node,))]
    finally:
        database.close()
    return [
        Alert(
            event["event_id"],
            event["alert"]["rule"],
            event["session"],
            event["occurred_us"] / 1e6,
            None if event["alert"]["notify"] is None else tuple(event["alert"]["notify"]),
            event["snapshot"] is not None,
        )
        for event in events
    ]


def missing(alerts: Iterable[Alert], target: str, got: Iterable[Got]) -> set[str]:
    """Alerts for a target that have not arrived there."""
    wanted = {one.event_id for one in alerts if one.targets is None or target in one.targets}
    return wanted - {event_id for one in got for event_id in one.alerts}


def problems(
    alerts: Sequence[Alert],
    target: str,
    got: Sequence[Got],
    *,
    down: tuple[float, float] | None = None,
    dark: Sequence[tuple[float, float]] = (),
    pictures: bool = False,
) -> list[str]:
    """What is wrong with what a receiver has got, in words.

    Args:
        alerts: All alerts, in the order in which they were stored.
        target: The receiver.
        got: What it has got, repetitions too, in the order of arrival.
        down: From when until when it was down, seconds since 1970.
        dark: From when until when a program was dead that alerts pass through.
        pictures: Whether each alert has to have its picture.
    """
    found = [f"{target}: alert {one} never came" for one in sorted(missing(alerts, target, got))]
    by_id = {one.event_id: one for one in alerts}
    firsts: dict[str, Got] = {}
    for message in got:
        for event_id in message.alerts:
            if event_id not in by_id:
                found.append(f"{target}: {event_id} is no alert")
            firsts.setdefault(event_id, message)
    place = {one.event_id: number for number, one in enumerate(alerts)}
    newest: dict[str, int] = {}
    for event_id in (one for one in firsts if one in by_id):
        rule = by_id[event_id].rule
        if place[event_id] < newest.get(rule, -1):
            found.append(f"{target}: {event_id} came behind a newer one of rule {rule}")
        newest[rule] = max(newest.get(rule, -1), place[event_id])
    for event_id, message in firsts.items():
        alert = by_id.get(event_id)
        if alert is None or message.alerts[0] != event_id:
            continue
        if down and down[0] < alert.occurred_s < down[1] - LATE_S and not message.late:
            found.append(f"{target}: {event_id} does not say that it is late")
        found += _picture_problems(target, alert, message, dark) if pictures else []
    return found


def _picture_problems(
    target: str, alert: Alert, message: Got, dark: Sequence[tuple[float, float]]
) -> list[str]:
    excused = any(begin - BEFORE_S < alert.occurred_s < end + BEHIND_S for begin, end in dark)
    if message.jpeg is None:
        return [f"{target}: {alert.event_id} has no picture"] if alert.has_picture else []
    name = read_name(message.jpeg)
    if name is None or name.session != alert.session:
        return [f"{target}: the picture of {alert.event_id} is of another run"]
    if name.captured_us / 1e6 > alert.occurred_s + FRESH_S and not excused:  # a better view came first
        return [f"{target}: the picture of {alert.event_id} is of a later moment"]
    return []
