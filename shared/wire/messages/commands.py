"""What is said to a node: commands, which it answers, and which of its cameras somebody looks at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from msgspec import Meta

from shared import limits
from shared.wire.messages.calendar import CalendarDefinition
from shared.wire.messages.cameras import CameraChange, Secret
from shared.wire.messages.codec import check_json
from shared.wire.messages.fields import Count, Fraction, Id, Label, Micros, NodeMessage, Text
from shared.wire.messages.ignoring import FilterDefinition, MaskDefinition
from shared.wire.messages.rules import RuleDefinition
from shared.wire.messages.zones import LineDefinition, ZoneDefinition

ErrorCode = Literal["busy", "conflict", "failed", "invalid", "unknown"]
"""Why a node refused a command, for programs; `Response.error` is the text for people."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A command to a node. Every field is optional; the last level of the topic names the command."""

    schema: Literal["darner.request/1"] = "darner.request/1"
    transaction: Annotated[
        Text | None, Meta(description="Repeated in the answer, for clients without MQTT 5 correlation data")
    ] = None
    camera: Annotated[
        Id | None, Meta(description="The camera that the command is about; set: null means all cameras")
    ] = None
    confidence: Annotated[
        Fraction | None, Meta(description="set, detect: lowest score of an object that is reported")
    ] = None
    detect_every: (
        Annotated[int, Meta(ge=1, le=100, description="set: run the detector on every n-th frame")] | None
    ) = None
    paused: Annotated[bool | None, Meta(description="set: true pauses the camera's analysis")] = None
    thumbnail_fps: (
        Annotated[float, Meta(ge=0, le=60, description="set: thumbnails per second; 0 for none")] | None
    ) = None
    version: Annotated[
        Count | None,
        Meta(
            description="zones.set, cameras.set, calendar.set, rules.set: version of the definitions or "
            "cameras that these replace"
        ),
    ] = None
    zones: (
        Annotated[
            dict[Id, ZoneDefinition],
            Meta(max_length=limits.ZONES, description="zones.set: all zones of the camera"),
        ]
        | None
    ) = None
    lines: (
        Annotated[
            dict[Id, LineDefinition],
            Meta(max_length=limits.ZONES, description="zones.set: all lines of the camera"),
        ]
        | None
    ) = None
    masks: (
        Annotated[
            dict[Id, MaskDefinition],
            Meta(
                max_length=limits.ZONES,
                description="zones.set: all masks of the camera; null leaves them as they are",
            ),
        ]
        | None
    ) = None
    filters: (
        Annotated[
            dict[Label, FilterDefinition],
            Meta(
                max_length=limits.FILTERS,
                description="zones.set: all filters of the camera, by class or all; null leaves them",
            ),
        ]
        | None
    ) = None
    cameras: (
        Annotated[
            dict[Id, CameraChange | None],
            Meta(
                max_length=limits.CAMERAS,
                description="cameras.set: the cameras to add or change, by name; null removes one, or takes "
                "back what was saved of it. cameras.probe: the one to try",
            ),
        ]
        | None
    ) = None
    calendar: Annotated[
        CalendarDefinition | None, Meta(description="calendar.set: the whole calendar of the node")
    ] = None
    mode: Annotated[Id | None, Meta(description="mode.set: the mode that holds from now on")] = None
    until_us: Annotated[
        Micros | None,
        Meta(
            description="mode.set: when the mode ends by itself, microseconds since 1970 UTC; null: it holds "
            "until a schedule or somebody sets another one"
        ),
    ] = None
    rules: (
        Annotated[
            dict[Id, RuleDefinition],
            Meta(max_length=limits.RULES, description="rules.set: all rules of the node"),
        ]
        | None
    ) = None
    host: Annotated[
        Text | None,
        Meta(description="cameras.discover: ask this camera, as IP or IP:PORT; null: ask the network"),
    ] = None
    user: Annotated[Secret | None, Meta(description="cameras.discover: user of the cameras")] = None
    password: Annotated[Secret | None, Meta(description="cameras.discover: password of that user")] = None
    id: Annotated[Id | None, Meta(description="suspects.dismiss: the suspect that is real")] = None
    image_base64: Annotated[
        Annotated[str, Meta(max_length=limits.PAYLOAD_BYTES)] | None,
        Meta(description="detect: a JPEG or PNG; sent as the payload itself, it needs no base64"),
    ] = None
    format: Annotated[
        Literal["array", "png"], Meta(description="heatmap: array for numbers, png for a picture in base64")
    ] = "array"


@dataclass(frozen=True, kw_only=True)
class Response(NodeMessage):
    """The answer to a command, which every command gets: a result or an error."""

    schema: Literal["darner.response/1"] = "darner.response/1"
    command: Annotated[Label, Meta(description="The command that is answered")]
    transaction: Annotated[Text | None, Meta(description="As in the request")] = None
    error: Annotated[
        Text | None, Meta(description="What was wrong and how to fix it; null: the command was carried out")
    ] = None
    code: Annotated[
        ErrorCode | None,
        Meta(description="The kind of error, for programs; null: no error, or a node of an older version"),
    ] = None
    result: Annotated[
        dict[Label, Any],
        Meta(
            max_length=limits.RESULT_FIELDS, description="What the command returns; its fields depend on it"
        ),
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # The only field that may hold any JSON: without bounds, a reader could not write it again.
        check_json(self.result)


@dataclass(frozen=True, kw_only=True)
class Interest(NodeMessage):
    """A viewer says which cameras of a node somebody looks at through it.

    `session` is one run of the viewer. A viewer says this only to nodes with the capability "interest".
    """

    schema: Literal["darner.interest/1"] = "darner.interest/1"
    viewer: Annotated[Id, Meta(description="Name of the viewer, as in the topic")]
    cameras: Annotated[
        Annotated[tuple[Id, ...], Meta(max_length=limits.CAMERAS)] | None,
        Meta(description="The cameras that somebody looks at; empty: none; null: all"),
    ]
    holds_s: Annotated[
        int,
        Meta(
            ge=1,
            le=limits.INTEREST_S,
            description="Seconds for which this holds, unless the viewer says something newer before",
        ),
    ]
