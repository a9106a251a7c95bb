"""Reads messages and pictures from the broker, and says which topics the page shows."""

from __future__ import annotations

from collections.abc import Mapping

from shared import limits
from shared.errors import MessageError
from shared.mqtt.received import Received
from shared.pictures import read_jpeg_header
from shared.wire import topics
from shared.wire.messages import NodeMessage, decode, now_us
from shared.wire.picture_names import NamedFrame, frame_of
from shared.wire.topics import Topic
from viewer_server.live.join import Thumbnail

_NOT_SHOWN = (
    topics.SNAPSHOT,
    topics.TRACK,
    topics.COUNT,
    topics.SETTINGS,
    topics.ALERT,  # each alert comes as an event, too
    topics.REQUEST,
    topics.RESPONSE,
    topics.ACK,
    topics.INTEREST,
)
SHOWN = tuple(row for row in topics.TABLE if row not in _NOT_SHOWN)
"""The topics that the page shows."""


def read_message(row: Topic, ids: Mapping[str, str], received: Received) -> NodeMessage:
    """The checked message of a topic that is shown.

    Args:
        row: The topic's row.
        ids: The identifiers in the topic.
        received: What came.

    Raises:
        MessageError: It breaks the contract, or names something else than its topic.
    """
    assert not isinstance(row.payload, str)  # noqa: S101 - the caller has looked
    message = decode(row.payload, received.payload)
    assert isinstance(message, NodeMessage)  # noqa: S101 - every shown topic carries one
    check_names(ids, message)
    return message


def check_names(ids: Mapping[str, str], message: NodeMessage) -> None:
    """Refuse a message that names another node, camera or zone than its topic."""
    for name, value in ids.items():
        if getattr(message, name) != value:
            raise MessageError(f"the topic says {name} {value}, the message {getattr(message, name)}")


def read_picture(received: Received) -> Thumbnail:
    """A picture that is no larger than a viewer shows.

    Raises:
        MessageError: It is no JPEG, or it is too large.
    """
    named = frame_of(received.user_properties, received.payload)
    if len(received.payload) > limits.PAYLOAD_BYTES:
        raise MessageError(f"too large a picture: over {limits.PAYLOAD_BYTES} bytes")
    header = read_jpeg_header(received.payload)
    if header is None or max(header.width, header.height) > limits.PICTURE_SIDE:
        raise MessageError(f"not a JPEG of at most {limits.PICTURE_SIDE} x {limits.PICTURE_SIDE} pixels")
    session, seq = named or NamedFrame("", 0)
    size = header.width, header.height
    return Thumbnail(session, seq, *size, now_us(), received.payload, matched=named is not None)
