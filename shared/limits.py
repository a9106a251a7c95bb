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
NAME_LENGTH = 64
"""What people call a node, camera, zone or line."""
TEXT_LENGTH = 512
PREFIX_LENGTH = 256
"""`mqtt.prefix`: the longest topic below it still fits into the text field of an event."""
TOPIC_LENGTH = 1024
"""The response topic that a request names."""

# How many there may be.
CAMERAS = 256
"""Cameras of a node."""
ZONES = 256
"""Zones of a camera, which may have as many lines and masks besides."""
DEFINITIONS_BYTES = 900_000
"""A camera's zones, lines, masks and filters as JSON; the rest of a payload is for the other fields of their
message."""
FILTERS = 256
"""Classes of a camera that have a filter."""
IGNORED = 50
"""Dropped detections that a message shows: those with the best scores."""
SUSPECTS = 16
"""Suspects of a camera that are offered as masks."""
REAL_THINGS = 64
"""Things of a camera that people have called real, so that they are not suspects again."""
CORNERS = 64
"""Corners of the polygon of a zone or mask."""
NAMED_CLASSES = 256
"""Classes that one zone, line or mask names."""
CLASSES = 10_000
"""Classes of a model."""
CLASSES_BYTES = 300_000
"""All names of a model's classes together, as JSON: a node's manifest has them beside its cameras."""
DETECTIONS = 3000
"""Detections that are kept of one picture."""
LOOKS = 64
"""Parts of one frame that the network looks at by themselves, the whole frame included."""
NEWER_EVENT_BYTES = 65_536
"""An event that a newer node has made, and that is kept as it came; one of ours has 2,000 bytes at most."""
LOITERING = 64
"""Track ids of loitering objects that a zone message names."""
OBJECTS = 10_000
"""Objects in one message: predicted tracks come on top of what the network found."""
PATH_POINTS = 64
"""Points of the path of a finished track."""
TRACK_VISITS = 64
"""Stays in zones that the message of a finished track lists; as many crossings of lines besides."""
TRACK_CLASSES = 16
"""Classes that the detector gave one track."""
SCHEDULES = 64
"""Schedules of a node's calendar."""
MODES = 16
"""Modes of a node."""
SPANS = 64
"""Times in which a schedule is active, in a week or on a day that differs."""
EXCEPTIONS = 366
"""Days, or rows of days, on which a schedule differs."""
DAY_STARTS = 24
"""Times at which the counters of the day begin at zero."""
RULES = 256
"""Rules of a node."""
RULES_BYTES = 600_000
"""A node's rules as JSON; the rest of a payload is for what is wrong with them."""
TARGETS = 32
"""Targets to which a viewer sends the alerts of one rule."""
RULE_PLACES = 64
"""Zones and lines that one rule names."""
INTERESTS = 32
"""Viewers that tell a node which cameras somebody looks at."""
INTEREST_S = 3600
"""The longest that such a message holds, seconds."""
RESULT_FIELDS = 64
"""Fields of a node's answer to a command."""
COLLECTED = 20_000
"""Pictures that a node keeps of a camera for labelling."""
HEATMAP_SIDE = 256
"""Cells of a heatmap, across or down: with more, the answer would be larger than a payload."""

# Pictures.
PICTURE_SIDE = 4096
"""Longer side of a thumbnail, pixels."""
SNAPSHOT_SIDE = 1024
"""Longer side of the picture of one track, pixels."""
SNAPSHOT_BYTES = 300_000
"""The picture of one track; archives keep thousands."""
UPLOAD_BYTES = 700_000
"""A picture that somebody sends; as base64, which takes four bytes for three, it still fits a payload."""
UPLOAD_PIXELS = 40_000_000
"""Pixels of such a picture: a small file can unpack to gigabytes."""
LAYERED_PIXELS = 20_000_000
"""Pixels of a progressive JPEG or a PNG of 16 bits, for which a decoder needs twice the memory."""
PICTURE_SCANS = 100
"""Scans of a progressive JPEG. Encoders write about ten; a decoder goes over the whole picture for each."""


def clipped(text: str, length: int = TEXT_LENGTH) -> str:
    """A text that is shown to people, cut to a field's length."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
