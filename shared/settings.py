"""A configuration from its layers: a dataclass that is frozen and checked.

The layers are the dataclass's defaults, a profile, a YAML file, ``DARNER_SECTION__KEY`` in the environment,
and ``--set section.key=value`` on the command line; a later one wins. A section in a later layer changes the
keys that it names, and no others. Every error names where the value comes from, the key, and the fix.
"""

from __future__ import annotations

import logging
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from shared import typed
from shared.configuration import declared, explain
from shared.configuration.yaml_file import mapping, read_yaml
from shared.errors import ConfigError
from shared.secrets import known
from shared.secrets.redact import keep_address

T = TypeVar("T")
ENV_PREFIX = "DARNER_"
NOT_SETTINGS = {"DARNER_CACHE", "DARNER_STATE", "DARNER_CAMERA_USER", "DARNER_CAMERA_PASSWORD"}
"""Environment variables with our prefix that are not configuration keys."""

log = logging.getLogger("darner.settings")


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
    reshape: Callable[[dict[str, Any]], None] | None = None,
) -> T:
    """Build a configuration from its layers. Its secrets are known from then on, so that no text shows them.

    Args:
        kind: A frozen dataclass whose fields are the known keys.
        file: A YAML file; None for none.
        environment: Environment variables. Those that start with ``DARNER_`` are read; two underscores
            separate levels.
        overrides: ``key.key=value`` from the command line.
        base: Returns the lowest layer, given the values of all layers above it.
        reshape: Changes what the file says before the later layers are laid over it.

    Raises:
        ConfigError: A file cannot be read, a key is unknown, or a value does not fit.
    """
    read = read_yaml(file) if file else {}
    explain.refuse_empty_secrets(kind, read, str(file))
    raw = declared.typed(kind, read)
    if reshape:
        reshape(raw)
    layers = _Layers(kind, raw, str(file) if file else "configuration")
    variables: dict[str, str] = {}
    for name, text in (environment or {}).items():
        if name.startswith(ENV_PREFIX) and name not in NOT_SETTINGS:
            key = name[len(ENV_PREFIX) :].lower().replace("__", ".")
            if (other := variables.setdefault(key, name)) != name:
                raise ConfigError(f"environment variables {other} and {name} both set {key}: leave out one")
            layers.assign(key, text, f"environment variable {name}", exact=False)
    for item in overrides:
        key, equals, text = item.partition("=")
        if not equals:
            raise ConfigError(f"--set {_key_alone(kind, item)}: expected KEY=VALUE, as in --set node=shop")
        key = key.strip()
        for secret in layers.assign(key, text, f"--set {key}"):
            log.warning(
                "%s stands on the command line, where others may see it: give %s_file or %s instead",
                secret,
                secret.removesuffix("_hash"),
                ENV_PREFIX + secret.upper().replace(".", "__"),
            )
    if base:
        layers.fill(base(raw))
    config = layers.converted()
    _make_secrets_known(kind, config)
    return config


def parse(kind: type[T], text: str, where: str) -> T:
    """Build a configuration from YAML text alone.

    Raises:
        ConfigError: The text is not YAML, a key is unknown, or a value does not fit.
    """
    return convert(kind, declared.typed(kind, mapping(text, where)), where=where)


def convert(kind: type[T], raw: object, *, where: str) -> T:
    """Build a dataclass from raw data, which may hold no unknown keys.

    Args:
        kind: The dataclass.
        raw: Data as YAML or JSON gives it.
        where: Name of the file, for errors.

    Raises:
        ConfigError: A key is unknown or a value does not fit; the text names place, key and fix.
    """
    return _Layers(kind, raw, where).converted()


class _Layers(typing.Generic[T]):
    """Values of all layers so far, and where single ones come from.

    Args:
        kind: The type of the configuration.
        raw: The values of the lowest layer, which the others are laid over.
        where: The name of that layer, for errors.
    """

    def __init__(self, kind: type[T], raw: Any, where: str) -> None:
        self._kind, self._raw, self._where = kind, raw, where
        self._origins: dict[str, str] = {}
        self._given = set(_paths(kind, raw))

    def converted(self) -> T:
        """The configuration.

        Raises:
            ConfigError: A key is unknown or a value does not fit.
        """
        try:
            explain.refuse_unknown(self._kind, self._raw, self._place)
            return typed.convert(self._raw, self._kind)
        except msgspec.ValidationError:
            raise explain.misfit(self._kind, self._raw, self._place) from None
        except RecursionError:
            raise ConfigError(f"{self._where}: is nested too deeply to be a configuration") from None

    def assign(self, key: str, text: str, origin: str, *, exact: bool = True) -> list[str]:
        """Lay one value over the others, and return the keys of the secrets in it.

        Args:
            key: The key, with dots.
            text: The value, which means what the key declares.
            origin: Where it comes from, for errors.
            exact: False matches names that users chose without regard to case, and takes - for _.
        """
        node, kind, path = self._raw, self._kind, []
        *sections, last = key.split(".")
        for section in sections:
            section = section if exact else _existing(kind, node, section)
            path.append(section)
            if node.get(section) is None:
                node[section] = {}
            node, kind = node[section], _below(kind, section)
            if not isinstance(node, dict):
                raise ConfigError(f"{origin}: '{section}' is a value, not a section with keys")
        last = last if exact else _existing(kind, node, last)
        kind = _below(kind, last)
        value = declared.typed(kind, declared.from_text(kind, text, origin))
        only_section = declared.is_section(kind) and not declared.is_word(kind)
        if only_section and not isinstance(value, dict) and value is not None:
            raise ConfigError(
                f"{origin}: is a section; set one of its keys, as in {key}.KEY=VALUE, or write "
                f"{key}={{KEY: VALUE}}"
            )
        node[last] = _merged(node.get(last), value)
        self._origins[".".join([*path, last])] = origin
        return list(_secrets(kind, value, key))

    def fill(self, base: Base) -> None:
        """Lay all other values over a layer."""
        for key, value in base.values.items():
            for path in _fill(self._raw, key.split("."), value):
                self._origins[path] = f"{base.name}: {path}"

    def _place(self, path: str) -> str:
        above = path
        while above:
            if above in self._origins:
                origin = self._origins[above]
                return origin if above == path else f"{origin}: {path}"
            above = above.rpartition(".")[0]
        below = [origin for key, origin in self._origins.items() if key.startswith(f"{path}.")]
        if below and path not in self._given:
            return f"{below[0]}: {path}"
        return f"{self._where}: {path}" if path else self._where


def _paths(kind: Any, node: Any, path: str = "") -> Iterator[str]:
    """The keys of a section and of those below it, with dots; not those below an unknown one."""
    if isinstance(node, dict):
        yield from (f"{path}.{key}" if path else str(key) for key in node)
    for key, child, item in declared.children(kind, node):
        yield from _paths(child, item, f"{path}.{key}" if path else key)


def _merged(old: Any, new: Any) -> Any:
    """A value laid over another: sections are merged key by key, anything else is replaced."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}


def _below(kind: Any, key: str) -> Any:
    """The declared type of a key below another; Any for one that is unknown."""
    return next((child for _, child, _ in declared.children(kind, {key: None})), Any)


def _existing(kind: Any, node: Mapping[str, Any], name: str) -> str:
    """The name in the file that an environment variable can mean, which has no capitals and no hyphens."""
    if typing.get_origin(declared.plain(kind)) is not dict or name in node:
        return name
    found = [other for other in node if other.lower().replace("-", "_") == name.replace("-", "_")]
    return found[0] if len(found) == 1 else name


def _key_alone(kind: Any, item: str) -> str:
    """The key of what lacks its equals sign; what follows may be a secret."""
    key = item.replace(":", " ").split(" ")[0]
    first = key.split(".")[0]
    return key if first in declared.keys(declared.plain(kind)) else "without ="


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


def _secrets(kind: Any, value: Any, path: str) -> Iterator[str]:
    """The keys that are declared secret, among those that a value gives."""
    if declared.meta(kind, "secret"):
        yield path
    for key, child, item in declared.children(kind, value):
        yield from _secrets(child, item, f"{path}.{key}")


def _make_secrets_known(kind: Any, value: Any) -> None:
    for _, child, item in declared.children(kind, value):
        if isinstance(item, str) and declared.meta(child, "secret"):
            known.keep(item)
        elif isinstance(item, str) and declared.meta(child, "address"):
            keep_address(item)
        else:
            _make_secrets_known(child, item)
