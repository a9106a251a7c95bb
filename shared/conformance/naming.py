"""What a picture says of its frame, in user properties and in its comment, and what is wrong with that."""

from __future__ import annotations

import re
from collections.abc import Mapping

from shared.documents.asyncapi import PICTURE_PROPERTIES
from shared.errors import MessageError
from shared.mqtt.received import Received
from shared.pictures import Header
from shared.wire.messages import PictureName
from shared.wire.picture_names import read_name

Problems = list[tuple[str, str]]
"""Kind and details of each."""


def said_of(
    received: Received, header: Header | None, *, by_properties: bool
) -> tuple[PictureName | None, Problems]:
    """What a picture says of its frame, and what is wrong with it.

    Args:
        received: The message.
        header: The picture's own header, if it has one.
        by_properties: Whether it must say so in user properties, too.

    Returns:
        None for a picture that names no frame, or none that can be read.
    """
    found: Problems = []
    try:
        name = read_name(received.payload)
    except MessageError as error:
        return None, [("comment", str(error))]
    where = "comment"
    if by_properties:
        if wrong := _malformed(received.user_properties):
            return None, [("user properties", f"missing or malformed: {', '.join(wrong)}")]
        commented, name = name, _from(received.user_properties)
        where = "user properties"
        if commented not in (None, name):
            found.append(("comment", "does not say the same as the user properties"))
    if name is not None and header is not None:
        said, size = f"{name.width}x{name.height}", f"{header.width}x{header.height}"
        if said != size:
            found.append((where, f"say {said}, but the picture has {size}"))
    return name, found


def _malformed(found: Mapping[str, str]) -> list[str]:
    return [
        name
        for name, schema in PICTURE_PROPERTIES.items()
        if not re.search(schema["pattern"], found.get(name, ""))
    ]


def _from(found: Mapping[str, str]) -> PictureName:
    return PictureName(
        session=found["session"],
        seq=int(found["seq"]),
        captured_us=int(found["captured_us"]),
        width=int(found["width"]),
        height=int(found["height"]),
    )
