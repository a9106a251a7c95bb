"""One alert as the viewer keeps it: of an edge node's event, or of the viewer itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.wire.messages import Event, Id, Name, Problem, Severity, Text, Trigger

RANKS: dict[Severity, int] = {"info": 0, "warning": 1, "critical": 2}
_LAST_LEVEL = re.compile(r"/(\d{1,18})\Z")


@dataclass(frozen=True, kw_only=True)
class KeptAlert:
    """What an alert says; the fields are those of `shared.wire.messages.Event` and `Alert`.

    Attributes:
        camera: None where the alert is about the whole node.
        picture: Number under which the node has published the alert's picture; None where there is none.
        notify: Targets that the rule names; None for all.
    """

    event_id: str
    node: Id
    rule: Id
    severity: Severity
    text: Text
    trigger: Trigger
    occurred_us: int
    camera: Id | None = None
    session: Id | None = None
    name: Name | None = None
    value: float | None = None
    problem: Problem | None = None
    zone: Id | None = None
    label: str | None = None
    track_id: int | None = None
    direction: str | None = None
    dwell_s: float | None = None
    count: int | None = None
    box: tuple[float, float, float, float] | None = None
    historical: bool = False
    picture: int | None = None
    notify: tuple[Id, ...] | None = None


def kept(event: Event) -> KeptAlert | None:
    """The alert in a stored event; None where the event is none.

    Its identifier is made of what tells stored events apart, and not taken from the event: a node could write
    that of another node's alert, which then would never be sent, or what no header can hold.
    """
    alert = event.alert
    if alert is None:
        return None
    picture = _LAST_LEVEL.search(event.snapshot or "")
    return KeptAlert(
        event_id=f"{event.node}-{event.boot}-{event.number}",
        node=event.node,
        rule=alert.rule,
        severity=alert.severity,
        text=alert.text,
        trigger=alert.trigger,
        occurred_us=event.occurred_us,
        camera=event.camera,
        session=event.session,
        name=alert.name,
        value=alert.value,
        problem=alert.problem,
        zone=event.zone,
        label=event.label,
        track_id=event.track_id,
        direction=event.direction,
        dwell_s=event.dwell_s,
        count=event.count,
        box=event.box,
        historical=event.historical,
        picture=int(picture[1]) if picture else None,
        notify=alert.notify,
    )
