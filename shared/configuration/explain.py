"""What is wrong with a configuration, in one line: the key, the value unless it is a secret, and the cure."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import typing
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from shared.configuration import declared
from shared.configuration.yaml_file import Plain
from shared.errors import ConfigError
from shared.secrets.redact import names_a_secret, redact_address

Place = Callable[[str], str]
"""Where the value of a key, with dots, comes from; the text ends with the key."""

_LONGEST = 80
"""Characters of a value that an error repeats."""
_READ = 1000
"""Characters of the longest value of which an error repeats the beginning."""
_WORDS = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
    "object": "a section with keys",
    "array": "a list",
}
"""What users call msgspec's types."""
_SYNONYMS = {
    "mqtt": {"broker", "server"},
    "url": {"host", "server", "broker", "address", "uri", "port"},
    "source": {"url", "uri", "address", "input", "stream", "device", "path", "file"},
    "username": {"user", "login"},
    "password": {"pass", "pw"},
}
"""What people write for some keys."""
_COMMA = "unknown key without a value; put a value with a comma in quotes, and write decimals with a point"
_IN_THE_PICTURE = {"polygon", "points", "region", "image"}


def refuse_unknown(kind: Any, value: object, place: Place, path: str = "", top: Any = None) -> None:
    """Make sure that every key is known.

    Raises:
        ConfigError: A key is unknown; its value is not repeated.
    """
    plain, top = declared.plain(kind), top or kind
    if dataclasses.is_dataclass(plain) and isinstance(value, dict):
        known = [field.name for field in dataclasses.fields(plain)]
        for key in value:
            if key not in known:
                # Whatever is behind a missing blank, as in "password:word", is a value.
                name = re.split(r"[:=\s]", str(key))[0][:_LONGEST]
                full = f"{path}.{name}" if path else name
                near = _near(name, known)
                if value[key] in (None, "") and not near and name not in known:
                    raise ConfigError(f"{place(path)}: {_COMMA}")  # the key may be the rest of a secret
                reason = near or _instead(str(key), name, path, known, top)
                raise ConfigError(f"{place(full)}: unknown key; {reason}")
    for key, child, item in declared.children(kind, value):
        refuse_unknown(child, item, place, f"{path}.{key}" if path else key, top)


def _instead(key: str, name: str, path: str, known: list[str], top: Any) -> str:
    if name != key and name in known:
        return f"write '{name}: ' with a blank behind the colon"
    if "." in name:
        first, *rest = name.split(".")
        if first in known:
            return f"in a file, write {'.'.join(rest)} below '{first}:', indented"
    elsewhere = [found for found in _paths(top) if found.split(".")[-1] == name]
    if elsewhere and not path:
        return f"did you mean {elsewhere[0]}?"
    return f"known keys: {', '.join(known)}"


def _near(name: str, known: list[str]) -> str | None:
    if name in known or "." in name:
        return None
    near = [meant for meant in known if name.lower() in _SYNONYMS.get(meant, ())]
    near = near or difflib.get_close_matches(name, known, 1)
    return f"did you mean '{near[0]}'?" if near else None


def _paths(kind: Any, path: str = "") -> Iterator[str]:
    """Every key that a type declares, with dots; NAME stands for the names that users choose."""
    plain = declared.plain(kind)
    if dataclasses.is_dataclass(plain) and isinstance(plain, type):
        for key, child in declared.keys(plain).items():
            full = f"{path}.{key}" if path else key
            yield full
            yield from _paths(child, full)
    elif typing.get_origin(plain) is dict:
        yield from _paths(typing.get_args(plain)[1], f"{path}.NAME")


def misfit(kind: Any, value: object, place: Place) -> ConfigError:
    """The error about the innermost value that does not fit its declared type."""
    path, reason = _locate(kind, value, "", secret=False)
    if "expected a number <=" in reason and _IN_THE_PICTURE & set(path.split(".")):
        reason += "; coordinates are fractions of the picture, from 0 to 1"
    return ConfigError(f"{place(path)}: {reason}")


def in_our_words(kind: Any, value: object, error: str) -> str:
    """What msgspec says of data, or our own words where it leaves out names or shows a pattern."""
    if "[...]" in error or "matching regex" in error:
        return str(misfit(kind, value, lambda path: path))
    return error


def refuse_empty_secrets(kind: Any, value: object, where: str, path: str = "") -> None:
    """Make sure that no secret is empty, as a value is that begins with # and has no quotes.

    Raises:
        ConfigError: One is.
    """
    for key, child, item in declared.children(kind, value):
        full = f"{path}.{key}" if path else key
        if declared.meta(child, "secret") and item == "" and isinstance(item, Plain):
            raise ConfigError(f"{where}: {full}: is empty; put what begins with # into quotes, or write null")
        refuse_empty_secrets(child, item, where, full)


def _locate(kind: Any, value: object, path: str, *, secret: bool) -> tuple[str, str]:
    """The path of the innermost misfit, and why; msgspec does not name keys of mappings."""
    plain = declared.plain(kind)
    if typing.get_origin(plain) is dict and isinstance(value, dict):
        for key in value:
            if reason := _reason(typing.get_args(plain)[0], key, secret=secret):
                return f"{path}.{key}" if path else str(key), f"as a name: {reason}"
    for key, child, item in declared.children(kind, value):
        hidden = secret or declared.meta(child, "secret") or names_a_secret(key)
        if _reason(child, item, secret=hidden):
            return _locate(child, item, f"{path}.{key}" if path else key, secret=hidden)
    return path, _reason(kind, value, secret=secret) or "does not fit"


def _reason(kind: Any, value: object, *, secret: bool) -> str | None:
    """Why a value does not fit a type, in words; None when it fits."""
    try:
        msgspec.convert(value, kind)  # noqa: TID251 - typed.py has learned the settings around it
    except msgspec.ValidationError as error:
        reason = _in_words(str(error), kind, value)
        # Where a section belongs, a text can be a key and its value without a blank between them.
        section = declared.is_section(kind) and not isinstance(value, (int, float, bool, type(None)))
        too_long = isinstance(value, str) and len(value) > _READ  # to find secrets in it would take seconds
        if secret or section or too_long or value is None or isinstance(value, (dict, list)):
            return reason
        shown = repr(redact_address(value) if isinstance(value, str) else value)
        return f"{shown if len(shown) <= _LONGEST else shown[:_LONGEST] + '...'}: {reason}"
    except RecursionError:
        return "is nested too deeply"
    return None


def _in_words(error: str, kind: Any, value: object) -> str:
    """What msgspec says about a value, in the words of somebody who writes YAML."""
    choices = _choices(kind)
    if choices and (error.startswith("Invalid enum value") or isinstance(value, str)):
        near = difflib.get_close_matches(str(value).lower(), [choice.lower() for choice in choices], 1)
        meant = [choice for choice in choices if choice.lower() in near]
        section = ", or a section with keys" if declared.is_section(kind) else ""
        cure = f"; did you mean {meant[0]}?" if meant else ""
        return f"expected one of {', '.join(choices)}{section}{cure}"
    reason = re.sub(r" - at `.*`$", "", error)
    reason = re.sub(r"Object missing required field `(\w+)`", r"the key '\1' is missing", reason)
    reason = re.sub(r"`str` matching regex .*", lambda _: _looks(kind), reason)
    reason = re.sub(r"`([a-z |]+)`", lambda found: _named(found[1]), reason).replace("`", "")
    return reason[0].lower() + reason[1:] + _cure(kind, value)


def _looks(kind: Any) -> str:
    """How a text looks that fits the pattern of its type: what is said beside it, without a name before."""
    note = declared.with_pattern(kind)
    if note is None or not note.description:
        return "another text" if note is None else f"a text that matches {note.pattern}"
    look = note.description.rpartition(": ")[2]
    return look[0].lower() + look[1:]


def _cure(kind: Any, value: object) -> str:
    """What to write instead, where msgspec's words do not say it."""
    plain = declared.plain(kind)
    numeric = {int, float} & set(declared.members(kind))
    if isinstance(value, str) and numeric:
        if re.fullmatch(r"[-+]?[\d_]{16,}|0[xob]\w{13,}", value):
            return "; it is too large"
        if value.lower().lstrip("+-.") in ("nan", "inf", "infinity"):
            return "; it must be finite"
        if re.fullmatch(r"[-+]?\d+,\d+", value):
            return "; write a point instead of the comma"
        if re.fullmatch(r"[-+]?[\d.]+ ?[a-zA-Z%]+", value):
            return "; write it without a unit"
    if isinstance(value, float) and not math.isfinite(value):
        return "; it must be finite"
    if typing.get_origin(plain) is dict and isinstance(value, (list, str)):
        return "; write each one under a name of its own, as in 'NAME: {...}'"
    if dataclasses.is_dataclass(plain) and isinstance(value, (list, str)):
        some = ", ".join(field.name for field in dataclasses.fields(plain)[:3])
        return f"; write its keys ({some}...) below it, indented, each with a blank behind its colon"
    if typing.get_origin(plain) in (tuple, list) and isinstance(value, (str, int, float)):
        return "; write a list, as in [one, two]"
    if isinstance(value, (int, float)) and str in declared.members(kind):
        return "; put it in quotes"
    return ""


def _named(types_: str) -> str:
    """The types in msgspec's notation, such as "int | null", in words."""
    return " or ".join(_WORDS.get(name, name) for name in types_.split(" | "))


def _choices(kind: Any) -> list[str]:
    """The values that a type of literals allows; none for other types."""
    return [
        str(choice)
        for member in declared.members(kind)
        if typing.get_origin(member) is typing.Literal
        for choice in typing.get_args(member)
    ]
