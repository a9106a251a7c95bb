"""Our own detections messages, of another node or of a recording that is played again.

Source: docs/reference/wire.md. They have every frame, and the tracks are those of the sender's tracker, with
what it predicted.
"""

from __future__ import annotations

from dataclasses import replace

from edge_node.inbound.scene import Scene, Seen, kept, object_of
from shared.wire import messages


def read(payload: bytes) -> Scene:
    """The objects of one frame.

    Raises:
        MessageError: It is no such message.
    """
    message = messages.decode(messages.DetectionsMessage, payload)
    seen, others = kept(map(_seen, message.objects))
    return Scene(
        message.captured_us,
        seen,
        size=(message.width, message.height),
        session=message.session,
        lacking=others,
    )


def _seen(one: messages.DetectedObject) -> Seen | None:
    seen = object_of(one["track_id"], one["label"], one["score"], one["box"], predicted=one["predicted"])
    return seen and replace(seen, age_s=one["age_s"], velocity=one["velocity"])
