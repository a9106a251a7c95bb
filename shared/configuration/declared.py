"""Values as their keys declare them: the type of a key decides what a text means, not its look."""

from __future__ import annotations

import dataclasses
import functools
import re
import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any

from msgspec import Meta

from shared import limits
from shared.configuration.yaml_file import Plain, parse

SECRET = {"secret": True}
"""`Meta(extra=SECRET)` declares a key whose value is shown nowhere."""
ADDRESS = {"address": True}
"""`Meta(extra=ADDRESS)` declares a key whose value is an address, which may hold credentials."""
FILE = {"file": True}
"""`Meta(extra=FILE)` declares the name of a file. The word null means null there: no file is called so."""

_NULL = ("", "~", "null", "Null", "NULL")
_TRUE = {"true", "yes", "on"}
_FALSE = {"false", "no", "off"}
_WHOLE = re.compile(r"[-+]?\d[\d_]*|0x[0-9A-Fa-f]+|0o[0-7]+")
_NUMBER = re.compile(r"[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def meta(kind: Any, what: str) -> bool:
    """Whether the declaration of a key, around or inside of Optional, says `what`."""
    if typing.get_origin(kind) is Annotated:
        inner, *notes = typing.get_args(kind)
        return any(isinstance(note, Meta) and (note.extra or {}).get(what) for note in notes) or meta(
            inner, what
        )
    return any(meta(member, what) for member in members(kind)) if _is_union(kind) else False


def with_pattern(kind: Any) -> Meta | None:
    """The note of a declaration, around or inside of Optional, that has the pattern of its texts."""
    if typing.get_origin(kind) is Annotated:
        inner, *notes = typing.get_args(kind)
        own = (note for note in notes if isinstance(note, Meta) and note.pattern)
        return next(own, None) or with_pattern(inner)
    inside = map(with_pattern, typing.get_args(kind)) if _is_union(kind) else ()
    return next((note for note in inside if note is not None), None)


def plain(kind: Any) -> Any:
    """The type inside Annotated and Optional; of a section or a word, the section."""
    while True:
        if typing.get_origin(kind) is Annotated:
            kind = typing.get_args(kind)[0]
        elif _is_union(kind) and len(inner := _sections_or_all(kind)) == 1:
            kind = inner[0]
        else:
            return kind


def _sections_or_all(kind: Any) -> list[Any]:
    """The sections that a type allows; where it allows none, all types but that of null."""
    inner = [one for one in members(kind) if one is not type(None)]
    return [one for one in inner if dataclasses.is_dataclass(one)] or inner


def is_word(kind: Any) -> bool:
    """Whether a key takes a text."""
    return any(map(_is_text, members(kind)))


def members(kind: Any) -> list[Any]:
    """The types that a type allows, without their annotations."""
    if typing.get_origin(kind) is Annotated:
        return members(typing.get_args(kind)[0])
    if _is_union(kind):
        return [one for member in typing.get_args(kind) for one in members(member)]
    return [kind]


def _is_union(kind: Any) -> bool:
    return typing.get_origin(kind) in (typing.Union, types.UnionType)


@functools.cache
def keys(kind: type) -> dict[str, Any]:
    """The keys of a section and their declared types."""
    return typing.get_type_hints(kind, include_extras=True)


def children(kind: Any, value: object) -> Iterator[tuple[str, Any, Any]]:
    """The key, declared type and value of every item of a section, mapping or list."""
    kind = plain(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = keys(kind)
        if isinstance(value, dict):
            yield from ((str(key), hints[key], item) for key, item in value.items() if key in hints)
        elif isinstance(value, kind):
            yield from ((key, hint, getattr(value, key)) for key, hint in hints.items())
    elif typing.get_origin(kind) is dict and isinstance(value, dict):
        yield from ((str(key), typing.get_args(kind)[1], item) for key, item in value.items())
    elif isinstance(value, (list, tuple)) and (listed := _listed(kind)) is not None:
        inner = typing.get_args(listed)
        repeated = len(inner) == 1 or inner[-1] is Ellipsis
        for index, item in enumerate(value):
            if repeated or index < len(inner):
                yield str(index), inner[0] if repeated else inner[index], item


def _listed(kind: Any) -> Any:
    """The list that a type allows, which may be one type among several; None if it allows no list."""
    return next((one for one in members(kind) if typing.get_origin(one) in (tuple, list)), None)


def is_section(kind: Any) -> bool:
    """Whether a key has keys below it."""
    inner = plain(kind)
    return dataclasses.is_dataclass(inner) or typing.get_origin(inner) is dict


def typed(kind: Any, value: Any) -> Any:
    """Data of a YAML file in which every unquoted scalar means what its key declares.

    A text of the wrong kind stays a text, which the check of the whole refuses.
    """
    if isinstance(value, Plain):
        return _scalar(kind, value)
    # What the declaration has no place for stays as it is: aliases can make it larger than any memory.
    if plain(kind) is Any:
        if isinstance(value, dict):
            return {key: typed(Any, item) for key, item in value.items()}
        return [typed(Any, item) for item in value] if isinstance(value, list) else value
    if isinstance(value, dict):
        return {**value, **{key: typed(child, item) for key, child, item in children(kind, value)}}
    if isinstance(value, list):
        items = [typed(child, item) for _, child, item in children(kind, value)]
        return items + value[len(items) :]
    return value


def from_text(kind: Any, text: str, where: str) -> Any:
    """A value from the environment or the command line.

    A text key takes the characters as they are. Lists are separated by commas, or written as in YAML, as are
    sections. Where a key takes a text or a list of texts, a comma makes a list. An empty value is null where
    the key allows null.

    Args:
        kind: The declared type of the key.
        text: The value as it was given.
        where: What the value is called in errors.

    Raises:
        ConfigError: A list or section is not valid YAML.
    """
    allowed = members(kind)
    optional = type(None) in allowed
    if optional and (text == "" or (text == "null" and meta(kind, "file"))):
        return None
    inner = plain(kind)
    if is_word(kind) and is_section(inner):
        return parse(text, where) if text.lstrip().startswith("{") else Plain(text.strip())
    listed = _listed(kind)
    if is_word(kind) and not (listed and ("," in text or text.lstrip().startswith("["))):
        whole = int in allowed and re.fullmatch(r"0|[1-9][0-9]{0,8}", text)
        return int(text) if whole else text
    if listed is not None:
        if text.lstrip().startswith("["):
            return parse(text, where)
        words = any(map(_is_text, members(typing.get_args(listed)[0])))
        return [(str if words else Plain)(item.strip()) for item in text.split(",")] if text.strip() else []
    if is_section(inner) or inner is Any:
        return parse(text, where)
    return Plain(text.strip())


def _is_text(kind: Any) -> bool:
    if typing.get_origin(kind) is typing.Literal:
        return all(isinstance(choice, str) for choice in typing.get_args(kind))
    return kind is str


def _scalar(kind: Any, text: Plain) -> Any:
    allowed = members(kind)
    anything = Any in allowed or object in allowed
    if text in _NULL:
        section = is_section(kind) and type(None) not in allowed
        return {} if section else None  # a section whose keys are all commented out has its defaults
    if is_word(kind):
        whole = int in allowed and re.fullmatch(r"0|[1-9][0-9]{0,8}", text)
        return int(text) if whole else str(text)
    if (bool in allowed or anything) and text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    if (int in allowed or float in allowed or anything) and _WHOLE.fullmatch(text) and len(text) < 40:
        digits = text.lower().replace("_", "")
        number = int(digits, 0) if digits.startswith(("0x", "0o")) else int(digits)
        if abs(number) <= limits.WHOLE:
            return number
    elif (float in allowed or anything) and _NUMBER.fullmatch(text) and len(text) < 40:
        number_ = float(text.replace("_", ""))
        if abs(number_) != float("inf"):
            return number_
    return str(text)
