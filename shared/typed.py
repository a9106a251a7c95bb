"""The only functions that make objects of declared types out of JSON or plain data, from any thread.

msgspec (0.22) learns a type when it is first used. Two threads that are the first to use the same type crash
the process. So a lock lets one thread learn a type, with all types in it; the others wait.
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_lock = threading.Lock()
_learned: set[Any] = set()


def decode(payload: bytes, kind: type[T], *, strict: bool = True) -> T:
    """Read JSON of a type; unless `strict`, numbers may be texts.

    Raises:
        msgspec.DecodeError: It is not JSON, or not of that type.
    """
    if kind not in _learned:
        _learn(kind)
    return msgspec.json.decode(payload, type=kind, strict=strict)  # noqa: TID251 - the type is learned


def convert(value: object, kind: type[T], *, strict: bool = True) -> T:
    """Make plain data an object of a type; unless `strict`, numbers may be texts.

    Raises:
        msgspec.ValidationError: It is not of that type.
    """
    if kind not in _learned:
        _learn(kind)
    return msgspec.convert(value, kind, strict=strict)  # noqa: TID251 - the type is learned


def _learn(kind: Any) -> None:
    with _lock:
        msgspec.json.Decoder(kind)  # noqa: TID251 - it learns the type
        _learned.add(kind)
