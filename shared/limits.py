"""The limits of what is sent and read, for both sides: whatever a sender may send, every reader takes.

A sender refuses, shortens or shrinks what is over a limit before it is sent, and says so. A reader refuses it
unread. `tests/shared/wire/test_limits.py` holds senders and readers to this table.
"""

from __future__ import annotations

PAYLOAD_BYTES = 1_000_000
"""Bytes of a message's payload, pictures included; our broker's configuration has the same limit."""
NESTING = 32
"""Levels of objects and arrays inside one another, in the fields that may hold any JSON."""
WHOLE = 2**53 - 1
"""The largest whole number: JavaScript has no larger one that is exact."""
SECONDS = 1_000_000_000
"""The longest duration, seconds: 31 years. Its sums in milliseconds are whole numbers of 64 bits."""
AMOUNT = 10**15
"""The largest of any other number that is measured, such as milliseconds, bytes in MB, or percent."""

# Texts, in characters.
ID_LENGTH = 64
LABEL_LENGTH = 128
TEXT_LENGTH = 512
PREFIX_LENGTH = 256
"""Of `mqtt.prefix`: the longest topic below it still fits into the text field of an event."""
TOPIC_LENGTH = 1024
"""Of the response topic that a request names."""

# How many there may be.
CAMERAS = 256
"""Of a node."""
ZONES = 256
"""Of a camera; as many lines again."""
DEFINITIONS_BYTES = 900_000
"""Of a camera's zones and lines as JSON: the rest of a payload is for what else their message says."""
CORNERS = 64
"""Of a zone's polygon."""
NAMED_CLASSES = 256
"""Classes that one zone or line names."""
CLASSES = 10_000
"""Of a model."""
CLASSES_BYTES = 350_000
"""Of all names of a model's classes together, as JSON: a node's manifest has them beside its cameras."""
DETECTIONS = 3000
"""That the network may find in one picture."""
OBJECTS = 10_000
"""In one message; tracks that are predicted come on top of what the network found."""
RESULT_FIELDS = 64
"""Of a node's answer to a command."""
HEATMAP_SIDE = 256
"""Cells of a heatmap, across or down: with more, the answer would be larger than a payload."""

# Pictures.
PICTURE_SIDE = 4096
"""Longer side of a thumbnail, pixels."""
SNAPSHOT_SIDE = 1024
"""Longer side of the picture of one track, pixels."""
SNAPSHOT_BYTES = 300_000
"""Of the picture of one track: archives keep thousands."""
UPLOAD_BYTES = 700_000
"""Of a picture that somebody sends: as base64, four bytes for three, it still fits a payload."""
UPLOAD_PIXELS = 40_000_000
"""Of such a picture: a small file can unpack to gigabytes."""
LAYERED_PIXELS = 20_000_000
"""The same for a progressive JPEG and a PNG of 16 bits, of which a decoder holds twice as much."""
PICTURE_SCANS = 100
"""Of a progressive JPEG; encoders write about ten. A decoder goes over the whole picture for each."""


def clipped(text: str, length: int = TEXT_LENGTH) -> str:
    """A text that is shown to people, cut to a field's length."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
