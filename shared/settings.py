"""A configuration from its layers: a dataclass that is frozen and checked.

The layers are the dataclass's defaults, a profile, a YAML file, ``DARNER_SECTION__KEY`` in the environment,
and ``--set section.key=value`` on the command line; a later one wins. Every error names where the value comes
from, the key, and the fix.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import yaml

from shared.errors import ConfigError

T = TypeVar("T")
ENV_PREFIX = "DARNER_"
NOT_SETTINGS = {"DARNER_CACHE", "DARNER_STATE"}
"""Environment variables with our prefix that are not configuration keys."""


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


@dataclass(frozen=True, kw_only=True)
class Base:
    """The lowest layer above the dataclass's defaults.

    Attributes:
        name: Its name in errors.
        values: By key with dots; a ``*`` stands for every key of a section.
    """

    name: str
    values: Mapping[str, object]


def load(
    kind: type[T],
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Sequence[str] = (),
    base: Callable[[Mapping[str, Any]], Base] | None = None,
) -> T:
    """Build a configuration from its layers.

    Args:
        kind: A frozen dataclass whose fields are the known keys.
        file: A YAML file; None for none.
        environment: Environment variables. Those that start with ``DARNER_`` are read; two underscores
            separate levels.
        overrides: ``key.key=value`` from the command line; the value is read as YAML.
        base: Returns the lowest layer, given the values of all layers above it.

    Raises:
        ConfigError: A file cannot be read, a key is unknown, or a value does not fit.
    """
    raw = read_yaml(file) if file else {}
    origins: dict[str, str] = {}
    for name, text in (environment or {}).items():
        if name.startswith(ENV_PREFIX) and name not in NOT_SETTINGS:
            key = name[len(ENV_PREFIX) :].lower().replace("__", ".")
            _assign(raw, key, text, f"environment variable {name}", origins)
    for item in overrides:
        key, equals, text = item.partition("=")
        if not equals:
            raise ConfigError(f"--set {item!r}: expected KEY=VALUE, such as --set mqtt.url=mqtt://HOST:1883")
        _assign(raw, key, text, f"--set {key}", origins)
    if base:
        lowest = base(raw)
        for key, value in lowest.values.items():
            for path in _fill(raw, key.split("."), value):
                origins[path] = f"{lowest.name}: {path}"
    return convert(kind, raw, where=str(file) if file else "configuration", origins=origins)


def read_yaml(file: Path) -> dict[str, Any]:
    """Read a YAML file whose top level is a mapping; an empty file is an empty mapping.

    Raises:
        ConfigError: The file is missing or unreadable, is not YAML, or has another top level.
    """
    try:
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{file}: no such configuration file") from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: is not valid YAML: {' '.join(str(error).split())}") from None
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise ConfigError(
            f"{file}: expected lines of the form 'key: value' at the top level, found a {type(raw).__name__}"
        )
    return raw


def convert(kind: type[T], raw: object, *, where: str, origins: Mapping[str, str] | None = None) -> T:
    """Build a dataclass from raw data, which may hold no unknown keys.

    Args:
        kind: The dataclass.
        raw: Data as YAML or JSON gives it.
        where: Name of the file, for errors.
        origins: Where single values come from instead, by key with dots.

    Raises:
        ConfigError: A key is unknown or a value does not fit; the text names place, key and fix.
    """
    _refuse_unknown(kind, raw, "", where, origins or {})
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError:
        path, reason = _locate(kind, raw, "")
        raise ConfigError(f"{_place(path, where, origins or {})}: {reason}") from None


def _assign(raw: dict[str, Any], key: str, text: str, origin: str, origins: dict[str, str]) -> None:
    *sections, last = key.split(".")
    node = raw
    for section in sections:
        child = node.setdefault(section, {})
        if not isinstance(child, dict):
            raise ConfigError(f"{origin}: '{section}' is a value, not a section with keys")
        node = child
    try:
        node[last] = yaml.safe_load(text)
    except yaml.YAMLError:
        node[last] = text
    origins[key] = origin


def _fill(node: dict[str, Any], keys: Sequence[str], value: object) -> Iterator[str]:
    """Set a value where there is none, and yield the paths where it was set."""
    first, *rest = keys
    if first == "*":
        found = [(str(name), child) for name, child in node.items() if isinstance(child, dict)]
        for name, child in found:
            yield from (f"{name}.{path}" for path in _fill(child, rest, value))
    elif rest:
        child = node.setdefault(first, {})
        if isinstance(child, dict):  # any other value is an error, which the check of the whole reports
            yield from (f"{first}.{path}" for path in _fill(child, rest, value))
    elif first not in node:
        node[first] = value
        yield first


def _place(path: str, where: str, origins: Mapping[str, str]) -> str:
    return origins.get(path) or f"{where}: {path}" if path else where


def _plain(kind: Any) -> Any:
    """The type inside Annotated and Optional."""
    if typing.get_origin(kind) is Annotated:
        return _plain(typing.get_args(kind)[0])
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        members = [member for member in typing.get_args(kind) if member is not type(None)]
        if len(members) == 1:
            return _plain(members[0])
    return kind


def _children(kind: Any, value: object) -> Iterator[tuple[str, Any, object]]:
    """The key, declared type and value of every item of a section, mapping or list."""
    kind = _plain(kind)
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        hints = typing.get_type_hints(kind, include_extras=True)
        yield from ((str(key), hints[key], item) for key, item in value.items() if key in hints)
    elif typing.get_origin(kind) is dict and isinstance(value, dict):
        yield from ((str(key), typing.get_args(kind)[1], item) for key, item in value.items())
    elif typing.get_origin(kind) in (tuple, list) and isinstance(value, list):
        inner = typing.get_args(kind)
        repeated = len(inner) == 1 or inner[-1] is Ellipsis
        for index, item in enumerate(value):
            if repeated or index < len(inner):
                yield str(index), inner[0] if repeated else inner[index], item


def _refuse_unknown(kind: Any, value: object, path: str, where: str, origins: Mapping[str, str]) -> None:
    plain = _plain(kind)
    if dataclasses.is_dataclass(plain) and isinstance(value, dict):
        known = [field.name for field in dataclasses.fields(plain)]
        for key in value:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, 1)
                hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(known)}"
                full = f"{path}.{key}" if path else str(key)
                raise ConfigError(f"{_place(full, where, origins)}: unknown key; {hint}")
    for key, child, item in _children(kind, value):
        _refuse_unknown(child, item, f"{path}.{key}" if path else key, where, origins)


def _locate(kind: Any, value: object, path: str) -> tuple[str, str]:
    """The path of the innermost value that does not fit, and why; msgspec does not name keys of mappings."""
    plain = _plain(kind)
    if typing.get_origin(plain) is dict and isinstance(value, dict):
        for key in value:
            if reason := _misfit(key, typing.get_args(plain)[0]):
                return f"{path}.{key}" if path else str(key), f"as a name: {reason}"
    for key, child, item in _children(kind, value):
        if _misfit(item, child):
            return _locate(child, item, f"{path}.{key}" if path else key)
    return path, _misfit(value, kind) or "does not fit"


def _misfit(value: object, kind: Any) -> str | None:
    """Why a value does not fit a type, in words; None when it fits."""
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        reason = _in_words(str(error), kind)
        if isinstance(value, (int, float)) and reason.startswith("expected a text, got"):
            reason += "; put it in quotes"
        return reason if isinstance(value, (dict, list)) else f"{value!r}: {reason}"
    return None


def _in_words(error: str, kind: Any) -> str:
    """What msgspec says about a value, in the words of somebody who writes YAML."""
    choices = _choices(kind)
    if error.startswith("Invalid enum value") and choices:
        return f"expected one of {', '.join(choices)}"
    reason = re.sub(r" - at `.*`$", "", error)
    reason = re.sub(r"Object missing required field `(\w+)`", r"the key '\1' is missing", reason)
    reason = re.sub(r"`str` matching regex .*", "1 to 64 letters, digits, '_' or '-'", reason)
    reason = re.sub(r"`([a-z |]+)`", lambda found: _named(found[1]), reason).replace("`", "")
    return reason[0].lower() + reason[1:]


def _named(types_: str) -> str:
    """The types in msgspec's notation, such as "int | null", in words."""
    return " or ".join(_WORDS.get(name, name) for name in types_.split(" | "))


def _choices(kind: Any) -> list[str]:
    """The values that a type of literals allows; none for other types."""
    plain = _plain(kind)
    if typing.get_origin(plain) is typing.Literal:
        return [str(value) for value in typing.get_args(plain)]
    if typing.get_origin(plain) in (typing.Union, types.UnionType):
        return [choice for member in typing.get_args(plain) for choice in _choices(member)]
    return []
