"""Messages to JSON and back: the only functions that encode and decode them."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

import msgspec
import orjson

from shared.errors import MessageError
from shared.wire.messages.heads import NodeMessage

MAX_PAYLOAD = 1_000_000
"""Bytes; anything longer is refused before it is parsed, here and by our broker configuration."""

M = TypeVar("M")


class _Named(msgspec.Struct):
    """Whether a message says what it is."""

    schema: object = msgspec.UNSET


def encode(message: object) -> bytes:
    """Message (a dataclass of this package) to JSON, compact, UTF-8."""
    return orjson.dumps(message)


def decode(kind: type[M], payload: bytes) -> M:
    """JSON to a checked message.

    `schema` has a default for those who build a message, but not on the wire: a payload that does not say
    what it is, is no message. Only a request may leave it out, since anybody may send one by hand.

    Args:
        kind: One of this package's message types.
        payload: The bytes from the wire.

    Raises:
        MessageError: The payload is too long, not JSON, or breaks the contract; the text says where.
    """
    if len(payload) > MAX_PAYLOAD:
        raise MessageError(f"payload of {len(payload)} bytes; at most {MAX_PAYLOAD} are read")
    try:
        # Checked while it is read: a megabyte of what nobody asked for would else become 30 MB of objects.
        message = msgspec.json.decode(payload, type=kind)
        unnamed = msgspec.json.decode(payload, type=_Named).schema is msgspec.UNSET
    except msgspec.ValidationError as error:
        raise MessageError(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MessageError(f"not JSON: {error}") from None
    except RecursionError:
        raise MessageError("not JSON: nested too deeply") from None
    if unnamed and issubclass(kind, NodeMessage):
        raise MessageError("Object missing required field `schema`")
    try:
        write_out_defaults(message)
    except RecursionError:  # from Python 3.12 the parser goes deeper than Python's own calls may
        raise MessageError("not JSON: nested too deeply") from None
    return message


def write_out_defaults(value: object) -> None:
    """Give what msgspec made the fields that were not sent.

    msgspec leaves them to the class, and orjson, which writes what an instance holds, would lose them when
    the message is encoded again.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for item in dataclasses.fields(value):
            inner = getattr(value, item.name)
            value.__dict__.setdefault(item.name, inner)
            write_out_defaults(inner)
    elif isinstance(value, dict):
        for inner in value.values():
            write_out_defaults(inner)
    elif isinstance(value, tuple):
        for inner in value:
            write_out_defaults(inner)
