"""Receivers: how each is reached, which alerts it wants, and the message that tries it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from viewer_server.notify.alert import RANKS, KeptAlert
from viewer_server.notify.courier import Way
from viewer_server.notify.parcel import Parcel
from viewer_server.notify.relay import Relay
from viewer_server.notify.webhook import Webhook
from viewer_server.targets import TargetSettings


def way(name: str, settings: TargetSettings) -> Way:
    """How a target is reached.

    Raises:
        ConfigError: Its settings cannot work.
    """
    key = f"notify.targets.{name}"
    return Webhook(key, settings) if settings.kind == "webhook" else Relay(key, settings)


def wants(name: str, target: TargetSettings, alert: KeptAlert) -> bool:
    """Whether an alert is for a target: the rule names it, and the target's own filters let it pass."""
    asked: Sequence[tuple[Sequence[str], str | None]] = (
        (target.nodes, alert.node),
        (target.cameras, alert.camera),
        (target.rules, alert.rule),
    )
    return (
        (alert.notify is None or name in alert.notify)
        and RANKS[alert.severity] >= RANKS[target.severity]
        and all(not wanted or has in wanted for wanted, has in asked)
    )


def test_parcel(at_us: int, link: str | None) -> Parcel:
    """A message that says it is a test, with a picture.

    Args:
        at_us: Now.
        link: Address of the viewer.
    """
    alert = KeptAlert(
        event_id=f"VIEWER-test-{at_us}",
        node="viewer",
        rule="test",
        name="Test",
        severity="info",
        text="This is a test: alerts reach this target.",
        trigger="event",
        occurred_us=at_us,
    )
    return Parcel(
        message_id=alert.event_id,
        alerts=[(0, alert)],
        names=[{"node_name": "Darner", "camera_name": None, "zone_name": None}],
        jpeg=(Path(__file__).parent / "test.jpg").read_bytes(),
        sent_us=at_us,
        link=link,
        test=True,
    )
