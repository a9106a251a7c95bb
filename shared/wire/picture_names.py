"""Which frame a JPEG shows: by its MQTT 5 user properties, or by its comment where there are none.

MQTT 3.1.1 has no properties, and a bridge that speaks it drops them. So the same fields are also in a comment
of the JPEG (ITU-T T.81, B.2.4.5), which decoders skip. The comment is the first segment behind the JFIF
header; comments elsewhere are other programs'.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from shared import typed
from shared.errors import MessageError
from shared.wire.messages.codec import decode, encode
from shared.wire.messages.detections import PictureName

NAME_BYTES = 256
"""Most bytes that a picture grows by its comment, and that are read of one."""
_SOI, _JFIF, _COMMENT = b"\xff\xd8", b"\xff\xe0", b"\xff\xfe"
_OURS = "darner.picture/1"


class NamedFrame(NamedTuple):
    """A frame of one camera.

    Attributes:
        session: The node's session.
        seq: The frame's number in that session.
    """

    session: str
    seq: int


class _Comment(msgspec.Struct):
    """The field in which a comment says whose it is."""

    schema: object = None


def with_name(jpeg: bytes, name: PictureName) -> bytes:
    """The JPEG with a comment that names its frame; at most `NAME_BYTES` longer."""
    text = encode(name)
    at = _behind_head(jpeg)
    length = (len(text) + 2).to_bytes(2, "big")
    return b"".join((jpeg[:at], _COMMENT, length, text, memoryview(jpeg)[at:]))


def without_name(jpeg: bytes) -> bytes:
    """The JPEG without the comment that names its frame, if it has one."""
    at = _behind_head(jpeg)
    if _text(jpeg, at) is None:
        return jpeg
    return jpeg[:at] + jpeg[at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big") :]


def read_name(jpeg: bytes) -> PictureName | None:
    """What a JPEG's comment says of its frame; None when it has no such comment.

    Raises:
        MessageError: The comment says that it is ours, and breaks the contract.
    """
    text = _text(jpeg, _behind_head(jpeg))
    if text is None:
        return None
    try:
        return decode(PictureName, text)
    except MessageError as error:
        raise MessageError(f"the JPEG's comment names no frame: {error}") from None


def properties(name: PictureName) -> dict[str, str]:
    """The same as MQTT 5 user properties."""
    return {
        "session": name.session,
        "seq": str(name.seq),
        "captured_us": str(name.captured_us),
        "width": str(name.width),
        "height": str(name.height),
    }


def frame_of(user_properties: Mapping[str, str], jpeg: bytes) -> NamedFrame | None:
    """The frame that a picture shows; None when it names none.

    Raises:
        MessageError: What it says is not a frame.
    """
    session, seq = user_properties.get("session"), user_properties.get("seq")
    if session is None or seq is None:
        name = read_name(jpeg)
        return None if name is None else NamedFrame(name.session, name.seq)
    if not (seq.isascii() and seq.isdigit() and len(seq) <= 16) or len(session) > 64:
        raise MessageError(f"user properties session {session[:64]!r}, seq {seq[:20]!r}: not a frame")
    return NamedFrame(session, int(seq))


def _behind_head(jpeg: bytes) -> int:
    """Where the comment is, or belongs: behind the JFIF header, or behind the start if there is none."""
    if jpeg[2:4] != _JFIF:
        return len(_SOI)
    return 4 + int.from_bytes(jpeg[4:6], "big")


def _text(jpeg: bytes, at: int) -> bytes | None:
    """The text of our comment at a place; None when there is none, or another program's."""
    if not jpeg.startswith(_SOI) or jpeg[at : at + 2] != _COMMENT:
        return None
    length = int.from_bytes(jpeg[at + 2 : at + 4], "big")
    text = jpeg[at + 4 : at + 2 + length]
    if not 2 <= length <= NAME_BYTES - 2 or len(text) != length - 2:
        return None
    try:
        ours = typed.decode(text, _Comment).schema == _OURS
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return text if ours else None
