"""ONVIF's events in JSON (onvif-ej): their topics, and what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge_node.onvif.scene import utc
from shared.wire.messages import Problem

CROSSED = "RuleEngine/LineDetector/Crossed"
INSIDE = "RuleEngine/FieldDetector/ObjectsInside"
LOITERING = "RuleEngine/LoiteringDetector/ObjectIsLoitering"
COUNTER = "RuleEngine/CountAggregation/Counter"
OCCUPANCY = "RuleEngine/CountAggregation/OccupancyCounter"
OBJECTS = "RuleEngine/ObjectDetection/Object"
BLURRY = "VideoSource/ImageTooBlurry/AnalyticsService"
BRIGHT = "VideoSource/ImageTooBright/AnalyticsService"
CHANGED = "VideoSource/GlobalSceneChange/AnalyticsService"
PROPERTIES = (INSIDE, LOITERING, COUNTER, OCCUPANCY, BLURRY, BRIGHT, CHANGED)
"""Topics of events that say how something is, not what happened: the broker retains the last one."""

TAMPERING: dict[str, frozenset[Problem]] = {
    BLURRY: frozenset(("out_of_focus",)),
    BRIGHT: frozenset(("washed_out",)),
    CHANGED: frozenset(("covered", "moved")),
}
"""Which problems of a picture ONVIF's topics of tampering are about: ONVIF Imaging Service, "Tampering"."""

VENDOR = "darner"
"""Prefix of data of ours that ONVIF has no name for."""
MAX_IDS = 256
"""The most objects that an event names."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What an event is about: a rule of a camera, or the camera's picture.

    Attributes:
        topic: ONVIF's topic, without its namespace.
        camera: Token of the video source.
        name: Name of the rule; None: the event is about the picture.
    """

    topic: str
    camera: str
    name: str | None = None

    @property
    def levels(self) -> str:
        """The levels of the MQTT topic behind TopicPrefix."""
        return "/".join(["onvif-ej", self.topic, f"&{self.camera}", *([self.name] if self.name else [])])

    def event(self, occurred_us: int, data: dict[str, Any] | None = None) -> dict[str, Any]:
        """The payload of an event about this."""
        source = {"VideoSource": self.camera, "Rule": self.name} if self.name else {"Source": self.camera}
        return {"UtcTime": utc(occurred_us), "Source": source, "Data": data or {}}


def camera_of(path: str) -> str:
    """The camera that an MQTT topic with `Rule.levels` at its end names; "" where it names none."""
    return next((level[1:] for level in path.split("/")[-2:] if level.startswith("&")), "")


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
