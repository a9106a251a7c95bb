"""YAML as it is written: scalars keep their source text, and no key may stand twice.

What a scalar means is decided by the type of its key (`declared.py`): ``007`` is a number for one key and a
name for another. So unquoted scalars stay `Plain` texts here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from shared.errors import ConfigError

MAX_BYTES = 16_000_000
_STR, _MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"
_TAGS = {"str", "int", "float", "bool", "null", "timestamp", "merge", "value", "map", "seq"}
_TOO_DEEP = "is nested too deeply to be a configuration"


class Plain(str):
    """An unquoted scalar: its text as it stands in the file."""

    __slots__ = ()


def read_yaml(file: Path) -> dict[str, Any]:
    """Read a YAML file whose top level is a mapping; an empty file is an empty mapping.

    Raises:
        ConfigError: The file is missing or unreadable, is not YAML, or has another top level.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"{file}: no such configuration file") from None
    except IsADirectoryError:
        raise ConfigError(f"{file}: is a folder; name the configuration file in it") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: cannot be read: {getattr(error, 'strerror', error)}") from None
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{file}: is larger than {MAX_BYTES // 1_000_000} MB; is this the configuration?")
    try:
        text = decoded(content)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}: line {line} is not UTF-8 text; save the file as UTF-8") from None
    return mapping(text, str(file))


def decoded(content: bytes) -> str:
    """The text of a file in UTF-8, or in UTF-16 as Windows' Notepad and PowerShell may write it.

    Raises:
        UnicodeDecodeError: It is neither.
    """
    utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    return content.decode("utf-16" if utf16 else "utf-8-sig")


def mapping(text: str, where: str) -> dict[str, Any]:
    """Read YAML text whose top level is a mapping; an empty text is an empty mapping.

    Raises:
        ConfigError: The text is not YAML, or has another top level.
    """
    raw = parse(text, where)
    if raw is None or (isinstance(raw, Plain) and raw.lower() in ("", "~", "null")):
        return {}
    if not isinstance(raw, dict):
        found = "a list" if isinstance(raw, list) else "a text"
        raise ConfigError(
            f"{where}: expected lines of the form 'key: value' at the top level, found {found}; "
            "is a blank behind each colon?"
        )
    return raw


def parse(text: str, where: str) -> Any:
    """Read YAML text: mappings as dicts, sequences as lists, quoted scalars as str, all others as `Plain`.

    Args:
        text: The text.
        where: Its name in errors.

    Raises:
        ConfigError: It is not YAML, has tags, or a key stands twice.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        return None if root is None else _Reader(where).value(root, "")
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: is not valid YAML: {_said(error)}") from None
    except RecursionError:
        raise ConfigError(f"{where}: {_TOO_DEEP}") from None


class _Reader:
    """Makes Python data of YAML nodes. An alias is the same object as what it names."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._made: dict[int, Any] = {}
        self._open: set[int] = set()

    def value(self, node: yaml.Node, path: str) -> Any:
        """The data of one node."""
        if id(node) in self._open:
            raise ConfigError(f"{self._where}: line {_line(node)}: {path or 'the top level'} contains itself")
        if id(node) not in self._made:
            self._open.add(id(node))
            self._made[id(node)] = self._fresh(node, path)
            self._open.discard(id(node))
        return self._made[id(node)]

    def _fresh(self, node: yaml.Node, path: str) -> Any:
        if node.tag.removeprefix("tag:yaml.org,2002:") not in _TAGS:
            raise ConfigError(f"{self._where}: line {_line(node)}: {path}: YAML tags (!) are not supported")
        if isinstance(node, yaml.ScalarNode):
            quoted = node.style is not None or (node.tag == _STR and _resolved(node.value) != _STR)
            return node.value if quoted else Plain(node.value)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, f"{path}.{index}".lstrip(".")) for index, item in enumerate(node.value)]
        return self._mapping(node, path)

    def _mapping(self, node: yaml.Node, path: str) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise ConfigError(
                    f"{self._where}: line {_line(key_node)}: a list or section cannot be a key; "
                    "put quotes around what begins with [ or {"
                )
            key = str(key_node.value)
            full = f"{path}.{key}" if path else key
            if key_node.tag == _MERGE and key_node.style is None:
                for source in self._sources(value_node, path):
                    merged = {**source, **merged}
                continue
            if key in lines:
                raise ConfigError(
                    f"{self._where}: {full} stands twice, in line {lines[key]} and in line "
                    f"{_line(key_node)}; rename or remove one of them"
                )
            lines[key] = _line(key_node)
            own[key] = self.value(value_node, full)
        return {**merged, **own}

    def _sources(self, node: yaml.Node, path: str) -> list[dict[str, Any]]:
        """The mappings that a merge key names; the first of them wins."""
        found = self.value(node, f"{path}.<<".lstrip("."))
        sources = found if isinstance(found, list) else [found]
        if not all(isinstance(source, dict) for source in sources):
            raise ConfigError(f"{self._where}: line {_line(node)}: << takes a section with keys, or several")
        return sources


def _resolved(value: str) -> str:
    """The tag that YAML gives an unquoted scalar."""
    resolver: Any = yaml.SafeLoader("")
    tag: str = resolver.resolve(yaml.ScalarNode, value, (True, False))
    return tag


def _line(node: yaml.Node) -> int:
    line: int = node.start_mark.line
    return line + 1


def _said(error: yaml.YAMLError) -> str:
    """Where a YAML text breaks off, and why; never the text itself, which may hold a secret."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
    if "cannot start any token" in problem and "\\t" in problem:
        return f"{place}a tab; indent with blanks"
    if "another document" in problem:
        return f"{place}another document begins; leave out the line '---'"
    if isinstance(error, yaml.reader.ReaderError):
        return f"it has a control character, at position {error.position}; remove it"
    problem = re.sub(r"'([^']*)'", lambda found: found[0] if _is_yaml(found[1]) else "...", problem)
    return (
        f"{place}{problem}; check the indentation, and put a value with special characters in single quotes"
    )


def _is_yaml(quoted: str) -> bool:
    """Whether an error quotes YAML's own signs and names, and not the text of the file."""
    return (len(quoted) == 1 and not quoted.isalnum()) or bool(re.fullmatch(r"<[a-z ]+>", quoted))
