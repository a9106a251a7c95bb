"""What ONVIF's specifications demand of our messages, as JSON Schemas and patterns of our own.

ONVIF publishes no JSON Schema for them. These follow the rules and examples of "JSON over MQTT" (Analytics)
and "Event Broker" (Core). `test_schemas.py` holds the same messages against ONVIF's XML schemas.
"""

from __future__ import annotations

from typing import Any

COORDINATE = {"type": "number", "minimum": -1, "maximum": 1}
TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
ID: dict[str, Any] = {
    "type": "object",
    "properties": {"@ObjectId": {"type": "integer"}},
    "required": ["@ObjectId"],
    "additionalProperties": False,
}


def exactly(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """An object with these keys and no others."""
    return {
        "type": "object",
        "properties": required | optional,
        "required": list(required),
        "additionalProperties": False,
    }


def some(items: dict[str, Any]) -> dict[str, Any]:
    """An array that is left out where it would be empty."""
    return {"type": "array", "items": items, "minItems": 1}


LIKELY = exactly({"@Likelihood": {"type": "number", "minimum": 0, "maximum": 1}, "#text": {"type": "string"}})
SHAPE = exactly(
    {
        "BoundingBox": exactly(dict.fromkeys(("@left", "@top", "@right", "@bottom"), COORDINATE)),
        "CenterOfGravity": exactly({"@x": COORDINATE, "@y": COORDINATE}),
    }
)
OBJECT = exactly(
    ID["properties"]
    | {
        "Appearance": exactly(
            {"Shape": SHAPE, "Class": exactly({"Type": some(LIKELY)})},
            VehicleInfo=some(exactly({"Type": LIKELY})),
        )
    },
    Behaviour=exactly({"Speed": {"type": "number", "minimum": 0}}),
)
FRAME = exactly(
    {"@UtcTime": TIME, "@Source": {"const": "Darner"}},
    Object=some(OBJECT),
    ObjectTree={
        **exactly({}, Rename=some(exactly({"from": ID, "to": ID})), Delete=some(ID)),
        "minProperties": 1,
    },
)
SCENE = exactly({"Frame": {"type": "array", "items": FRAME, "minItems": 1, "maxItems": 1}})
SIMPLE = {"type": ["string", "integer", "boolean"]}
EVENT = exactly(
    {
        "UtcTime": TIME,
        "Source": {
            "oneOf": [
                exactly({"VideoSource": {"type": "string"}, "Rule": {"type": "string"}}),
                exactly({"Source": {"type": "string"}}),
            ]
        },
        "Data": {"type": "object", "additionalProperties": SIMPLE},
    }
)

SCENE_TOPIC = r"[^/#+]+/onvif-mj/VideoAnalytics/[^/#+]+/Darner"
"""TopicPrefix, PayloadPrefix, MetadataType, ProfileToken and AnalyticsModuleName."""
EVENT_TOPIC = (
    r"[^/#+]+/onvif-ej/(RuleEngine(/[A-Za-z]+){2}/&[^/#+]{1,64}/[^/#+]+"
    r"|VideoSource/[A-Za-z]+/AnalyticsService/&[^/#+]{1,64})"
)
"""TopicPrefix, PayloadPrefix, LocalTopic, and behind the & the values of the source in its order."""
