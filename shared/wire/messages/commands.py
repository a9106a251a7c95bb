"""What a node can be asked, and its answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from msgspec import Meta

from shared.wire.messages.fields import Count, Fraction, Id, Label, Text
from shared.wire.messages.heads import NodeMessage
from shared.wire.messages.zones import LineDefinition, ZoneDefinition

ErrorCode = Literal["busy", "conflict", "failed", "invalid", "unknown"]
"""Why a node did not do what was asked, for programs; `Response.error` says the same to people."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A command to a node; anybody who may publish can send one, with as little as ``{}``."""

    schema: Literal["darner.request/1"] = "darner.request/1"
    transaction: Annotated[
        Text | None, Meta(description="Comes back in the answer, for clients without MQTT 5 correlation data")
    ] = None
    camera: Annotated[Id | None, Meta(description="set: null means all")] = None
    confidence: Annotated[Fraction | None, Meta(description="set, detect: lowest score")] = None
    detect_every: Annotated[int, Meta(ge=1, le=100, description="set")] | None = None
    paused: Annotated[bool | None, Meta(description="set")] = None
    thumbnail_fps: Annotated[float, Meta(ge=0, le=60, description="set")] | None = None
    version: Annotated[Count | None, Meta(description="zones.set: the version that this replaces")] = None
    zones: Annotated[dict[Id, ZoneDefinition], Meta(max_length=256, description="zones.set")] | None = None
    lines: Annotated[dict[Id, LineDefinition], Meta(max_length=256, description="zones.set")] | None = None
    image_base64: Annotated[
        str | None, Meta(description="detect: JPEG or PNG; the picture itself as the payload is shorter")
    ] = None
    format: Annotated[
        Literal["array", "png"], Meta(description="heatmap: numbers, or a picture in base64")
    ] = "array"


@dataclass(frozen=True, kw_only=True)
class Response(NodeMessage):
    """The answer to a command: a result or an error, never silence."""

    schema: Literal["darner.response/1"] = "darner.response/1"
    command: Label
    transaction: Text | None = None
    error: Annotated[Text | None, Meta(description="What was wrong and how to mend it; null: done")] = None
    code: Annotated[
        ErrorCode | None,
        Meta(
            description="The kind of error, for programs. Null without an error; a node of an older version "
            "never sends it"
        ),
    ] = None
    result: Annotated[dict[Label, Any], Meta(max_length=64)] = field(default_factory=dict)
