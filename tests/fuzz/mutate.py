"""Changes JSON inside an input as JSON, which a fuzzer of bytes seldom keeps whole."""

from __future__ import annotations

import json
import random
from typing import Any

_DECODER = json.JSONDecoder()
_ODD: list[Any] = [
    None, True, False, "", "x", "a" * 65, "a" * 600, "\0", "\u2028", "\n", "é", "__proto__",
    [], {}, [[]], [0], [[0, 0], [1, 1]],
    0, 1, -1, 2, 64, 65, 255, 256, 2**31, 2**53 - 1, 2**53, 2**63, 2**64, -(2**63), 10**30, 10**400,
    0.0, -0.0, 0.5, 1e-300, 1e9, 1e15, 1e16, 1e308, 1e-12, 0.1 + 0.2, 1 - 1e-16,
]  # fmt: skip
"""Values at the edges of what readers take."""


def json_inside(data: bytes, seed: int) -> bytes | None:
    """The input with a change in the first JSON object in it; None when there is none."""
    text = data.decode("latin-1")
    start = text.find("{")
    if start < 0:
        return None
    try:
        value, end = _DECODER.raw_decode(data[start:].decode())
    except (ValueError, RecursionError):
        return None
    chance = random.Random(seed)
    for _ in range(chance.choice((1, 1, 2, 4))):
        value = _changed(value, chance)
    changed = json.dumps(value, ensure_ascii=chance.random() < 0.5)
    rest = data[start:].decode()[end:]
    return data[:start] + (changed + rest).encode("utf-8", "replace")


def _changed(value: Any, chance: random.Random) -> Any:
    """The value with one change somewhere in it."""
    if not value or not isinstance(value, (dict, list)) or chance.random() < 0.1:
        return _other(value, chance)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = chance.choice(keys)
    copy = dict(value) if isinstance(value, dict) else list(value)
    match chance.randrange(6):
        case 0:
            del copy[key]
        case 1 if isinstance(copy, dict):
            copy[chance.choice((f"{key}x", "x" * 65, "é", "", str(key).upper()))] = copy[key]
        case 1 if isinstance(copy, list):
            copy += copy[key : key + 1] * chance.choice((1, 3, 70))
        case 2:
            copy[key] = copy[chance.choice(keys)]
        case _:
            copy[key] = _changed(copy[key], chance)
    return copy


def _other(value: Any, chance: random.Random) -> Any:
    if isinstance(value, (int, float)) and abs(value) < 1e100 and chance.random() < 0.5:
        near = (value + 1, value - 1, -value, value * 10, value / 2, value + 1e-9, int(value))
        return chance.choice(near)
    if isinstance(value, str) and chance.random() < 0.3:
        return chance.choice((value * 2, value[:-1], value + "\n", value.upper(), [value]))
    if chance.random() < 0.1:
        return [value]
    return chance.choice(_ODD)
