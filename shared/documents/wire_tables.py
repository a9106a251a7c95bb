"""The tables of ``docs/reference/wire.md``, generated from the topic table and the JSON Schemas."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from shared import limits
from shared.documents.asyncapi import PICTURE_PROPERTIES, about, versioned_name, wire_name
from shared.errors import ConfigError
from shared.wire import topics

_BLOCK = re.compile(r"(<!-- (topics|fields (\w+)) -->\n).*?(<!-- end -->)", re.DOTALL)
# The unit that the ending of a name stands for.
_UNITS = (("_m_s", "m/s"), ("_us", "µs"), ("_ms", "ms"), ("_mb", "MB"), ("_percent", "%"), ("_s", "s"))


def fill(page: str, schemas: Mapping[str, dict[str, Any]], where: str) -> str:
    """The page with new tables.

    Args:
        page: The text; a table goes between ``<!-- topics -->`` or ``<!-- fields NAME -->`` and
            ``<!-- end -->``.
        schemas: JSON Schema by the name of the topic.
        where: The file, for errors.

    Raises:
        ConfigError: A mark names no topic, or a topic has no mark.
    """
    known = {row.name: row for row in topics.TABLE}
    marked = {name for _, _, name, _ in _BLOCK.findall(page) if name}
    if marked != known.keys():
        wrong = ", ".join(sorted(marked ^ known.keys()))
        raise ConfigError(
            f"{where}: needs exactly one '<!-- fields NAME -->' for every topic; missing or unknown: {wrong}"
        )

    def table(found: re.Match[str]) -> str:
        name = found[3]
        if name is None:
            rows = topic_rows()
        elif name in schemas:
            rows = field_rows(schemas[name])
        else:
            rows = picture_rows()
        return found[1] + "\n".join(rows) + "\n" + found[4]

    return _BLOCK.sub(table, page)


def topic_rows() -> list[str]:
    """The topic table in Markdown."""
    rows = ["| topic | what | QoS | retained | expires | schema, example |", "|---|---|---|---|---|---|"]
    for row in topics.TABLE:
        link = "JPEG"
        if row.payload != "jpeg":
            link = f"[{versioned_name(row.payload)}](../schemas/{wire_name(row.payload)}.schema.json)"
        cells = (
            f"`{row.pattern}`",
            about(row),
            str(row.qos),
            "yes" if row.retain else "",
            f"{row.expiry_s} s" if row.expiry_s else "",
            f"{link}, [{row.name}](../examples/{row.name}.json)",
        )
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def picture_rows() -> list[str]:
    """The user properties of a JPEG in Markdown."""
    rows = ["| user property | meaning |", "|---|---|"]
    return rows + [f"| `{name}` | {schema['description']} |" for name, schema in PICTURE_PROPERTIES.items()]


def field_rows(schema: Mapping[str, Any]) -> list[str]:
    """A message's fields in Markdown; a field that holds an object is followed by the object's fields."""
    rows = ["| field | type | meaning |", "|---|---|---|"]
    definitions = schema["$defs"]
    _fields(definitions[schema["$ref"].rpartition("/")[2]], "", definitions, rows)
    return rows


def _fields(
    definition: Mapping[str, Any], path: str, definitions: Mapping[str, Any], rows: list[str]
) -> None:
    required = definition.get("required", [])
    for name, field in definition["properties"].items():
        optional = "" if name in required else ", optional"
        rows.append(f"| `{path}{name}` | {_type(field)}{optional} | {_meaning(name, field)} |")
        inner, suffix = _inside(field)
        if inner is not None:
            _fields(definitions[inner], f"{path}{name}{suffix}.", definitions, rows)


def _inside(field: Mapping[str, Any]) -> tuple[str | None, str]:
    """The definition of the object that a field holds, and what a path adds to reach into it."""
    for option in (field, *field.get("anyOf", ())):
        for node, suffix in (
            (option, ""),
            (option.get("items"), "[]"),
            (option.get("additionalProperties"), ".*"),
        ):
            if isinstance(node, dict) and "$ref" in node:
                return node["$ref"].rpartition("/")[2], suffix
    return None, ""


def _type(field: Mapping[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_type(option) for option in field["anyOf"])
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "$ref" in field or "additionalProperties" in field:
        return "object"
    if field.get("type") == "array":
        size = f" of {field['maxItems']}" if field.get("minItems") == field.get("maxItems") else ""
        if "prefixItems" in field:  # each of its own type
            return f"array{size}: {', '.join(map(_type, field['prefixItems']))}"
        inner = field["items"]
        return f"array{size}" if "$ref" in inner else f"array{size}: {_type(inner)}"
    return str(field.get("type", "any")) + _range(field)


def _range(field: Mapping[str, Any]) -> str:
    low, high = field.get("minimum"), field.get("maximum")
    if low is None or high is None or high >= limits.SECONDS:  # a bound that only nonsense reaches
        return ""
    return f" {low}..{high}"


def _meaning(name: str, field: Mapping[str, Any]) -> str:
    unit = next((unit for ending, unit in _UNITS if name.endswith(ending)), "")
    text = str(field.get("description", ""))
    if not text and "anyOf" in field:
        text = str(field["anyOf"][0].get("description", ""))
    if name.endswith("_us") or text.startswith("Seconds"):  # the text names the unit
        return text
    return ", ".join(part for part in (text, unit) if part)
