"""`python -m tests.document_configuration`: write the configuration reference from the settings' types.

It writes a JSON Schema for the file of each program, which editors read, and the page
``docs/reference/configuration.md`` from these schemas. ``--check`` only says which of them are stale. This
program lives among the tests because no part of the project may import both programs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import orjson
import yaml

from edge_node.config.settings import EdgeConfig
from shared.documents.schema import plain_tuples
from viewer_server.archive.config import ArchiveConfig
from viewer_server.config import ViewerConfig

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "reference" / "configuration.md"
DIALECT = "http://json-schema.org/draft-07/schema#"
"""Editors' YAML support knows this one best."""

Node = Mapping[str, Any]


@dataclass(frozen=True)
class Program:
    """A program with a configuration file.

    Attributes:
        title: What the page calls it.
        config: The type of its configuration.
        example: What users call the file; the schema is named after it.
    """

    title: str
    config: type
    example: str

    @property
    def schema_file(self) -> Path:
        """Where the schema is kept."""
        return DOCS / "schemas" / "configuration" / f"{Path(self.example).stem}.schema.json"


PROGRAMS = (
    Program("Edge node", EdgeConfig, "darner.yaml"),
    Program("Viewer", ViewerConfig, "viewer.yaml"),
    Program("Archive in PostgreSQL", ArchiveConfig, "archive.yaml"),
)

_PLAIN = {
    "string": "text",
    "number": "number",
    "integer": "whole number",
    "boolean": "`true` or `false`",
    "null": "`null`",
}
"""What users call the types of JSON Schema."""

_INTRO = """\
# Configuration
<!-- Written by `make docs` from the settings' types: change those. -->

Every key has a default, so a file only holds what differs from it. Each key can also be set on the command
line (`--set mqtt.url=mqtt://broker`) or in the environment (`DARNER_MQTT__URL`, two underscores between
levels). The command line wins over the environment, the environment over the file, and the file over the
[profile](../how-to/running.md#profiles). An unknown key or a value that does not fit ends the program with
one line that names it and the fix.

- The type of a key decides what a value means. A text may be any characters: `12:30`, `007`, `yes` and
  `2026-05-01` stay as they are, with or without quotes. In a file, a value that contains ` #` or begins with
  one of `# @ & * ! % [ {` needs quotes, as everywhere in YAML.
- In the environment and behind `--set`, a text is taken as it is, quotes included. A list is separated by
  commas (`model.classes=person,car`) or written as in YAML (`[person, car]`), a section as in YAML
  (`{width: 320}`). An empty value means `null` where the key allows it, and so does the word `null` where the
  key names a file.
- A section changes the keys that it names and leaves the others as they are. A list replaces a list.
- A key that stands twice in a file is an error, which names both lines. `<<` merges sections, as in YAML.
- In the names of cameras, zones and lines, the environment does not tell capitals from small letters, nor `-`
  from `_`: `DARNER_CAMERAS__FRONT_DOOR__LOOP` means `cameras.Front-Door.loop` where the file has that camera.
- In the name of a file or folder, `~` at the beginning stands for the home folder.
- Numbers are decimal, or begin with `0x` or `0o`. They may have no unit and no decimal comma.

An editor completes keys, shows what they mean and marks mistakes when the file's first line names its
schema. The path is relative to the file, here in the top folder of a checkout:

```yaml
# yaml-language-server: $schema=docs/schemas/configuration/darner.schema.json
cameras:
  entrance: {source: 0}
```

The schemas of the viewer and the archive are `viewer.schema.json` and `archive.schema.json` beside it. In the
tables, `NAME` stands for a name that you choose.
"""


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run; the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.document_configuration", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    check: bool = parser.parse_args(arguments).check
    stale = [(path, text) for path, text in documents() if not path.exists() or path.read_bytes() != text]
    for path, text in stale:
        if check:
            print(f"{path} is stale; run: make docs", file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)
            print(f"wrote {path}")
    return 1 if check and stale else 0


def documents() -> Iterator[tuple[Path, bytes]]:
    """Path and content of every generated file."""
    parts = [_INTRO]
    for program in PROGRAMS:
        schema = json_schema(program.config)
        yield (
            program.schema_file,
            orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE),
        )
        parts.append(f"\n## {program.title}\n")
        parts.extend(_section("", schema, schema["$defs"]))
    yield PAGE, "".join(parts).encode()


def json_schema(config: type) -> dict[str, Any]:
    """JSON Schema of a configuration file; like the program, it refuses keys it does not know."""
    schema = msgspec.json.schema(config)
    for definition in schema["$defs"].values():
        plain_tuples(definition)
        definition["additionalProperties"] = False
        # One line: Python 3.13 takes the indentation out of docstrings, those before it do not.
        definition["description"] = " ".join(definition["description"].split())
    return {"$schema": DIALECT, **schema}


def _section(path: str, node: Node, definitions: Node) -> Iterator[str]:
    """The table of one section, then those of the sections below it."""
    definition = definitions[node["$ref"].rpartition("/")[2]]
    if path:
        yield f"\n### `{path}`\n"
    yield f"{definition['description']}\n\n| key | type | default | meaning |\n|---|---|---|---|\n"
    below = []
    for key, field in definition["properties"].items():
        inner, name = _inside(field)
        if inner is not None:
            below.append((f"{path}.{key}{name}".lstrip("."), inner))
        cells = f"`{key}`", _type(field), _default(key, field, definition), _meaning(field, definitions)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"
    for inner_path, inner in below:
        yield from _section(inner_path, inner, definitions)


def _inside(field: Node) -> tuple[Node | None, str]:
    """The section that a key holds, if it does, and what its path has behind the key."""
    for option in (field, *field.get("anyOf", ())):
        if "$ref" in option:
            return option, ""
        if "$ref" in option.get("additionalProperties", ()):
            return option["additionalProperties"], ".NAME"
    return None, ""


def _type(field: Node) -> str:
    if "anyOf" in field:
        return " or ".join(_type(option) for option in field["anyOf"])
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if "$ref" in field:
        return "section"
    if "additionalProperties" in field:
        inner: Node = field["additionalProperties"]
        if "$ref" in inner:
            return f"at most {field['maxProperties']} sections by name"
        return f"sections of {_type(inner)}" if "additionalProperties" in inner else "values by name"
    if field["type"] == "array":
        return f"list of {_count(field.get('minItems'), field.get('maxItems'))}{_type(field['items'])}"
    return _PLAIN[field["type"]] + _bounds(field)


def _count(least: int | None, most: int | None) -> str:
    if least is not None:
        return f"{least}: " if least == most else f"{least} to {most}: "
    return f"at most {most}: " if most is not None else ""


def _bounds(field: Node) -> str:
    low, above, high = (field.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    start = f"{low} " if low is not None else f"above {above} " if above is not None else ""
    if high is not None:
        return f" ({start}to {high})" if low is not None else f" ({start}and at most {high})"
    return f" ({start}or more)" if low is not None else f" ({start.strip()})" if start else ""


def _default(key: str, field: Node, definition: Node) -> str:
    if key in definition["required"]:
        return "required"
    if "default" not in field:
        return ""
    value = field["default"]
    text = orjson.dumps(value).decode().removesuffix(".0")
    # A text needs quotes only where YAML would read something else without them.
    return f"`{value if isinstance(value, str) and _is_plain(value) else text}`"


def _is_plain(text: str) -> bool:
    try:
        return isinstance(yaml.safe_load(text), str)
    except yaml.YAMLError:
        return False


def _meaning(field: Node, definitions: Node) -> str:
    if "$ref" in field:
        about: str = definitions[field["$ref"].rpartition("/")[2]]["description"]
        return about.split(". ")[0].removesuffix(".")
    return str(field.get("description", ""))


if __name__ == "__main__":
    sys.exit(main())
