"""ONVIF's events in JSON (onvif-ej): their topics, and what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge_node.onvif.scene import utc

CROSSED = "RuleEngine/LineDetector/Crossed"
INSIDE = "RuleEngine/FieldDetector/ObjectsInside"
LOITERING = "RuleEngine/LoiteringDetector/ObjectIsLoitering"
COUNTER = "RuleEngine/CountAggregation/Counter"
OCCUPANCY = "RuleEngine/CountAggregation/OccupancyCounter"
OBJECTS = "RuleEngine/ObjectDetection/Object"
PROPERTIES = (INSIDE, LOITERING, COUNTER, OCCUPANCY)
"""Topics of events that say how something is, not what happened: the broker retains the last one."""

VENDOR = "darner"
"""Prefix of data of ours that ONVIF has no name for."""
MAX_IDS = 256
"""The most objects that an event names."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Which rule of which camera an event is about.

    Attributes:
        topic: ONVIF's topic, without its namespace.
        camera: Token of the video source.
        name: Name of the rule.
    """

    topic: str
    camera: str
    name: str

    @property
    def levels(self) -> str:
        """The levels of the MQTT topic behind TopicPrefix."""
        return f"onvif-ej/{self.topic}/&{self.camera}/{self.name}"

    def event(self, occurred_us: int, data: dict[str, Any] | None = None) -> dict[str, Any]:
        """The payload of an event of this rule."""
        return {
            "UtcTime": utc(occurred_us),
            "Source": {"VideoSource": self.camera, "Rule": self.name},
            "Data": data or {},
        }


def camera_of(path: str) -> str:
    """The camera that an MQTT topic with `Rule.levels` at its end names; "" where it names none."""
    levels = path.split("/")
    return levels[-2].removeprefix("&") if len(levels) > 1 else ""


def about(numbers: Sequence[int], types: Sequence[str]) -> dict[str, Any]:
    """The data that name objects: lists with spaces between their items, in the same order.

    Args:
        numbers: Ids of the objects.
        types: What ONVIF calls each.
    """
    some = slice(MAX_IDS)
    return {
        "ObjectId": " ".join(map(str, numbers[some])),
        "ClassTypes": " ".join(one.replace(" ", "_") for one in types[some]),  # a list has no other separator
    }
