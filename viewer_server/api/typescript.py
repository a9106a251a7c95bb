"""`python -m viewer_server.api.typescript`: the types that the page's JavaScript is checked against.

They are made from the Python types of the wire and of the API. So the check of the JavaScript fails where it
reads a field that was renamed. No field is optional, because the viewer writes defaults out.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec

from shared.wire.messages import (
    Calendar,
    CameraStatus,
    DetectionsMessage,
    Event,
    Health,
    ModeState,
    NodeInfo,
    NodeStatus,
    Rules,
    Suspects,
    Zones,
    ZoneState,
)
from viewer_server.api import cameras
from viewer_server.api.calendar import admin as calendars
from viewer_server.api.calendar.ahead import Ahead
from viewer_server.api.rules import said as rules
from viewer_server.api.schemas import alerts, asked, now, past
from viewer_server.labelling.said import LabelList, LabelPicture, LabelSaved

FILE = Path(__file__).resolve().parents[1] / "wire.d.ts"
HEAD = """// What the viewer sends to its page, as types for the check of the JavaScript; not shipped.
// `make docs` makes them from the Python types of the wire and of the REST API.
"""
TYPES = (
    NodeStatus,
    NodeInfo,
    CameraStatus,
    DetectionsMessage,
    Event,
    Zones,
    ZoneState,
    Suspects,
    Calendar,
    ModeState,
    Rules,
    Health,
    now.NodeList,
    now.CameraList,
    now.ZoneList,
    past.EventList,
    past.ZoneSeries,
    past.ZoneStays,
    asked.HeatmapAnswer,
    past.PathList,
    alerts.AlertList,
    alerts.TargetList,
    alerts.TestAnswer,
    alerts.DeliveriesChanged,
    asked.DetectAnswer,
    asked.ZonesSaved,
    asked.ZoneVersions,
    cameras.CameraSettingsList,
    cameras.CamerasSaved,
    cameras.CameraTried,
    cameras.CamerasFound,
    Ahead,
    calendars.CalendarList,
    calendars.CalendarSaved,
    calendars.ModeSet,
    calendars.ViewAccepted,
    rules.RuleList,
    rules.RulesSaved,
    rules.RuleDraft,
    rules.RuleProblems,
    rules.RuleReplay,
    LabelList,
    LabelPicture,
    LabelSaved,
)
_PLAIN = {"integer": "number", "number": "number", "string": "string", "boolean": "boolean", "null": "null"}


def declarations() -> str:
    """The text of ``wire.d.ts``."""
    _, components = msgspec.json.schema_components(TYPES, ref_template="{name}")
    parts = [HEAD]
    for name, schema in sorted(components.items()):
        fields = "".join(f"  {field}: {_type(about)};\n" for field, about in schema["properties"].items())
        parts.append(f"export interface {name} {{\n{fields}}}\n")
    return "\n".join(parts)


def _type(schema: dict[str, Any]) -> str:
    """A JSON Schema as msgspec makes it, in TypeScript."""
    if "$ref" in schema:
        return str(schema["$ref"])
    if "anyOf" in schema:
        return " | ".join(_type(one) for one in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        values = schema.get("enum") or [schema["const"]]
        return " | ".join("null" if value is None else f'"{value}"' for value in values)
    kind = schema.get("type")
    if kind == "array":
        return _array(schema)
    if kind == "object":
        return f"Record<string, {_type(schema.get('additionalProperties') or {})}>"
    return _PLAIN.get(str(kind), "unknown")


def _array(schema: dict[str, Any]) -> str:
    if "prefixItems" in schema:
        return f"[{', '.join(_type(one) for one in schema['prefixItems'])}]"
    item = _type(schema.get("items") or {})
    return f"({item})[]" if "|" in item else f"{item}[]"


def main() -> int:
    """Write ``wire.d.ts``."""
    argparse.ArgumentParser(prog="python -m viewer_server.api.typescript", description=__doc__).parse_args()
    FILE.write_text(declarations(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
