"""Endpoints: alerts with their pictures and deliveries, and the targets."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import flask

from viewer_server.api.called import called
from viewer_server.api.endpoint import Endpoint, Refused, body, jpeg
from viewer_server.api.schemas.alerts import (
    AlertList,
    AlertQuery,
    DeliveriesChanged,
    TargetChoice,
    TargetList,
    TestAnswer,
)
from viewer_server.api.schemas.common import Nothing
from viewer_server.live.hub import Hub
from viewer_server.notify import listing
from viewer_server.notify.alerting import Alerting, NotKept
from viewer_server.notify.listing import Listed, Wanted
from viewer_server.notify.parcel import is_late
from viewer_server.stored.feed import Position

T = TypeVar("T")
_NUMBER = re.compile(r"[0-9]{1,15}")
_WITHOUT = {"session", "picture", "notify", "historical"}
"""What the viewer keeps of an alert and does not list."""


class Alerts:
    """The endpoints, one method each.

    Args:
        hub: Knows what people call nodes, cameras and zones.
        alerting: Keeps alerts and sends them.
    """

    def __init__(self, hub: Hub, alerting: Alerting) -> None:
        self._hub, self._alerting = hub, alerting

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Rows of the API's table."""
        return (
            Endpoint("/alerts", self.alerts, AlertQuery, AlertList,
                     "Alerts and what became of them, newest first, in pages"),
            Endpoint("/alerts/<alert>/picture", self.alert_picture, Nothing, "image/jpeg",
                     "The picture of an alert"),
            Endpoint("/alerts/<alert>/retry", self.retry_alert, Nothing, DeliveriesChanged,
                     "Send an alert again at once where it waits or was given up",
                     method="POST", body=TargetChoice),
            Endpoint("/alerts/<alert>/drop", self.drop_alert, Nothing, DeliveriesChanged,
                     "Give up an alert where it waits", method="POST", body=TargetChoice),
            Endpoint("/targets", self.targets, Nothing, TargetList,
                     "Targets of alerts, and how they are; not their addresses"),
            Endpoint("/targets/<target>/test", self.test_target, Nothing, TestAnswer,
                     "Send a message that says it is a test", method="POST", body=Nothing),
            Endpoint("/targets/<target>/retry", self.retry_target, Nothing, DeliveriesChanged,
                     "Send everything at once that waits for a target, or was given up",
                     method="POST", body=Nothing),
            Endpoint("/targets/<target>/drop", self.drop_target, Nothing, DeliveriesChanged,
                     "Give up everything that waits for a target", method="POST", body=Nothing),
        )  # fmt: skip

    def alerts(self, query: AlertQuery) -> dict[str, Any]:
        """One page of alerts."""
        after = Position.parse(query.cursor) if query.cursor else None
        wanted = Wanted(
            node=query.node,
            camera=query.camera,
            rule=query.rule,
            severity=query.severity,
            state=query.state,
            **({} if query.from_us is None else {"from_us": query.from_us}),
            **({} if query.to_us is None else {"to_us": query.to_us}),
        )
        with self._alerting.alerts.reading() as db:
            found, more = listing.page(db, wanted, query.limit, after)
        names = called(self._hub, {one.alert.node for one in found})
        return {
            "alerts": [
                _entry(one) | names.of(one.alert.node, one.alert.camera, one.alert.zone) for one in found
            ],
            "next": str(more) if more else None,
        }

    def alert_picture(self, query: Nothing, alert: str) -> flask.Response:  # noqa: ARG002
        """As the node took it."""
        with self._alerting.alerts.reading() as db:
            found = listing.picture(db, _number(alert))
        if found is None:
            raise Refused(404, "there is no such alert, or it has no picture")
        return jpeg(found)

    def retry_alert(self, query: Nothing, alert: str) -> dict[str, int]:  # noqa: ARG002
        """At one target, or at all."""
        target = body(TargetChoice).target
        return {"changed": _tried(lambda: self._alerting.again(alert=_number(alert), target=target))}

    def drop_alert(self, query: Nothing, alert: str) -> dict[str, int]:  # noqa: ARG002
        """At one target, or at all."""
        target = body(TargetChoice).target
        return {"changed": _tried(lambda: self._alerting.drop(alert=_number(alert), target=target))}

    def targets(self, query: Nothing) -> dict[str, Any]:  # noqa: ARG002
        """Those of the configuration, and those for which alerts still wait."""
        counts: dict[str, dict[Any, int]] = {}
        if self._alerting.alerts.exists:
            with self._alerting.alerts.reading() as db:
                counts = listing.counts(db)
        given_up, health = self._alerting.given_up(), self._alerting.health()
        left = {name for name, states in counts.items() if states.get("waiting")}
        found = []
        for name in sorted(left | health.keys()):
            target, states = self._alerting.targets.get(name), counts.get(name, {})
            is_ = health.get(name)
            found.append({
                "name": name,
                "kind": target.kind if target else None,
                "severity": target.severity if target else None,
                "configured": target is not None,
                "waiting": states.get("waiting", 0),
                "delivered": states.get("delivered", 0),
                "dropped": states.get("dropped", 0) + given_up.get(name, 0),
                "failing": is_.failing if is_ else 0,
                "detail": is_.detail if is_ else "this target is no longer in the configuration",
                "last_us": is_.last_us if is_ else None,
                "due_us": is_.due_us if is_ else None,
            })  # fmt: skip
        return {"targets": found}

    def test_target(self, query: Nothing, target: str) -> dict[str, Any]:  # noqa: ARG002
        """What the receiver has said to it."""
        self._check(target)
        answer, took_ms = _tried(lambda: self._alerting.test(target))
        return {"delivered": answer.delivered, "detail": answer.detail, "took_ms": took_ms}

    def retry_target(self, query: Nothing, target: str) -> dict[str, int]:  # noqa: ARG002
        """All of it."""
        self._check(target)
        return {"changed": _tried(lambda: self._alerting.again(target=target))}

    def drop_target(self, query: Nothing, target: str) -> dict[str, int]:  # noqa: ARG002
        """All of it."""
        return {"changed": _tried(lambda: self._alerting.drop(target=target))}

    def _check(self, target: str) -> None:
        if target not in self._alerting.targets:
            known = ", ".join(self._alerting.targets) or "none"
            raise Refused(404, f"there is no target {target!r}; the configuration has: {known}")


def _entry(one: Listed) -> dict[str, Any]:
    fields = {name: value for name, value in vars(one.alert).items() if name not in _WITHOUT}
    path = f"{flask.request.root_path}/api/v1/alerts/{one.id}/picture"
    return fields | {
        "id": one.id,
        "stored_us": one.stored_us,
        "late": is_late(one.alert, one.stored_us),
        "picture_url": path if one.has_picture else None,
        "deliveries": [vars(delivery) for delivery in one.deliveries],
    }


def _number(alert: str) -> int:
    if not _NUMBER.fullmatch(alert):
        raise Refused(400, "an alert is named by its number")
    return int(alert)


def _tried(work: Callable[[], T]) -> T:
    try:
        return work()
    except NotKept as error:
        raise Refused(503, str(error)) from None
