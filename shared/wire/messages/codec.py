"""Messages to JSON and back: the only functions that encode and decode them."""

from __future__ import annotations

import dataclasses
import functools
from typing import TypeVar

import msgspec
import orjson

from shared import limits, typed
from shared.errors import MessageError
from shared.wire.messages.fields import NodeMessage

M = TypeVar("M")


class _Named(msgspec.Struct):
    """The field in which a message names its type."""

    schema: object = msgspec.UNSET


def _has_no_schema(payload: bytes) -> bool:
    return typed.decode(payload, _Named).schema is msgspec.UNSET


def encode(message: object) -> bytes:
    """Write a message (a dataclass of this package) as compact JSON in UTF-8."""
    return orjson.dumps(message)


def decode(kind: type[M], payload: bytes) -> M:
    """Read and check a message.

    `schema` has a default for code that builds messages, but the wire has none: a payload without it is
    refused. Only a request may leave it out, because people send requests by hand.

    Args:
        kind: One of this package's message types.
        payload: The bytes from the wire.

    Raises:
        MessageError: The payload is too long, not JSON, or breaks the contract; the text says where.
    """
    if len(payload) > limits.PAYLOAD_BYTES:
        raise MessageError(f"payload of {len(payload)} bytes; at most {limits.PAYLOAD_BYTES} are read")
    try:
        # msgspec checks while it parses: otherwise a megabyte of nonsense would become 30 MB of objects.
        message = typed.decode(payload, kind)
        # Ours begin with it. Others are read once more, only for this field.
        unnamed = (
            not payload.startswith(b'{"schema":') and typed.decode(payload, _Named).schema is msgspec.UNSET
        )
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
    except RecursionError:  # since Python 3.12 the parser goes deeper than Python's own calls may
        raise MessageError("not JSON: nested too deeply") from None
    return message


def write_out_defaults(value: object) -> None:
    """Set fields that a payload left out to their defaults, in the message and in all that it contains.

    msgspec leaves such fields to the class. orjson writes only what an instance holds, so encoding the
    message again would lose them.
    """
    kind: type = type(value)
    names = _names(kind)
    if names is not None:
        held = value.__dict__
        if len(held) < len(names):
            for name in names:
                held.setdefault(name, getattr(value, name))
        for inner in held.values():
            if type(inner) not in _SIMPLE:
                write_out_defaults(inner)
    elif isinstance(value, (dict, tuple)):
        for inner in value.values() if isinstance(value, dict) else value:
            if type(inner) not in _SIMPLE:
                write_out_defaults(inner)


_SIMPLE = frozenset({str, int, float, bool, type(None)})


@functools.cache
def _names(kind: type) -> tuple[str, ...] | None:
    """The names of a dataclass's fields, which a large message asks for hundreds of times; None of others."""
    return tuple(item.name for item in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else None


def check_json(value: object, level: int = 0) -> None:
    """Make sure that any JSON can be written again, and read by others.

    Raises:
        ValueError: It is nested too deeply, or has a whole number that others have no room for.
    """
    if level > limits.NESTING:
        raise ValueError(f"nested too deeply: more than {limits.NESTING} levels")
    if isinstance(value, dict):
        for inner in value.values():
            check_json(inner, level + 1)
    elif isinstance(value, list):
        for inner in value:
            check_json(inner, level + 1)
    elif isinstance(value, int) and not -limits.WHOLE <= value <= limits.WHOLE:
        raise ValueError(f"a whole number beyond {limits.WHOLE}")
