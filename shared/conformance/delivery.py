"""What the topic table says of how a message is sent: QoS, retain flag, content type and expiry."""

from __future__ import annotations

from collections.abc import Iterator

from shared.mqtt.received import Received
from shared.wire import topics


def delivery_problems(
    row: topics.Topic, received: Received, *, as_published: bool = True, qos: bool = True
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the QoS and the retain flag.

    Args:
        row: The topic's.
        received: The message.
        as_published: Whether live messages keep the flag of their publisher, as only MQTT 5 can.
        qos: Whether they come at the quality of service at which they were published, if it is 0 or 1.
    """
    if qos and received.qos < row.qos:
        yield "QoS too low", f"QoS {received.qos} instead of {row.qos}"
    if received.retain != row.retain and (as_published or received.retain):
        yield (
            "retain flag",
            "is retained, but must not be" if received.retain else "is not retained, but must be",
        )


def property_problems(row: topics.Topic, received: Received) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the content type and the expiry, which runs down while a message waits."""
    content_type = "image/jpeg" if row.payload == "jpeg" else "application/json"
    if received.content_type != content_type:
        yield "content type", f"{received.content_type or 'none'} instead of {content_type}"
    expiry = received.expiry_s
    if row.expiry_s is None and expiry is not None:
        yield "expiry", f"{expiry} s, but the message must not expire"
    if row.expiry_s is not None and (expiry is None or expiry > row.expiry_s):
        yield "expiry", f"{'none' if expiry is None else f'{expiry} s'} instead of at most {row.expiry_s} s"
