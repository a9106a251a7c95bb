"""ONVIF's scene description in JSON (onvif-mj), as cameras of Profile M publish it.

Source: ONVIF Analytics Service Specification, "JSON over MQTT" and annex A, of 22.06 and later. Coordinates
are -1 to 1, y up, unless the frame has a transformation. Ids belong to one object; the object tree says which
have ended, and which go on under another id. The mirror (`edge_node/onvif/scene.py`) writes such scenes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from edge_node.inbound.scene import Scene, Seen, decoded, kept, microseconds, object_of
from shared.errors import MessageError


def _at(name: str, *, needed: bool = False) -> Any:
    """A field for an XML attribute, whose name begins with @ in JSON."""
    return msgspec.field(name=f"@{name}") if needed else msgspec.field(name=f"@{name}", default=None)


class _Box(msgspec.Struct, frozen=True):
    left: float = _at("left", needed=True)
    top: float = _at("top", needed=True)
    right: float = _at("right", needed=True)
    bottom: float = _at("bottom", needed=True)


class _Shape(msgspec.Struct, frozen=True):
    box: _Box | None = msgspec.field(name="BoundingBox", default=None)


class _Type(msgspec.Struct, frozen=True):
    likelihood: float | None = _at("Likelihood")
    text: str = msgspec.field(name="#text", default="")


class _Class(msgspec.Struct, frozen=True):
    types: list[_Type | str] | _Type | str = msgspec.field(name="Type", default_factory=list)


class _Vehicle(msgspec.Struct, frozen=True):
    type: _Type | str | None = msgspec.field(name="Type", default=None)


class _Appearance(msgspec.Struct, frozen=True):
    shape: _Shape | None = msgspec.field(name="Shape", default=None)
    kind: _Class | None = msgspec.field(name="Class", default=None)
    vehicles: list[_Vehicle] | _Vehicle | None = msgspec.field(name="VehicleInfo", default=None)


class _Object(msgspec.Struct, frozen=True):
    id: int | str | None = _at("ObjectId")
    appearance: _Appearance | None = msgspec.field(name="Appearance", default=None)


class _Id(msgspec.Struct, frozen=True):
    id: int | str = _at("ObjectId", needed=True)


class _Rename(msgspec.Struct, frozen=True):
    before: _Id = msgspec.field(name="from")
    after: _Id = msgspec.field(name="to")


class _Tree(msgspec.Struct, frozen=True):
    renamed: list[_Rename] = msgspec.field(name="Rename", default_factory=list)
    ended: list[_Id] = msgspec.field(name="Delete", default_factory=list)


class _Vector(msgspec.Struct, frozen=True):
    x: float = _at("x", needed=True)
    y: float = _at("y", needed=True)


class _Transformation(msgspec.Struct, frozen=True):
    translate: _Vector | None = msgspec.field(name="Translate", default=None)
    scale: _Vector | None = msgspec.field(name="Scale", default=None)


class _Frame(msgspec.Struct, frozen=True):
    moment: datetime = _at("UtcTime", needed=True)
    objects: list[_Object] = msgspec.field(name="Object", default_factory=list)
    tree: _Tree | None = msgspec.field(name="ObjectTree", default=None)
    transformation: _Transformation | None = msgspec.field(name="Transformation", default=None)


class _Message(msgspec.Struct, frozen=True):
    frames: list[_Frame] | _Frame = msgspec.field(name="Frame")


def read(payload: bytes) -> Scene:
    """The objects of one frame; of several frames in a message, those of the last one.

    Raises:
        MessageError: It is no such message.
    """
    frames = decoded(payload, _Message).frames
    every = frames if isinstance(frames, list) else [frames]
    if not every:
        raise MessageError("it has no Frame")
    frame = every[-1]
    seen, others = kept(_seen(one, frame.transformation) for one in frame.objects)
    trees = [one.tree for one in every if one.tree is not None]
    return Scene(
        microseconds(frame.moment),
        seen,
        ended=tuple(str(one.id) for tree in trees for one in tree.ended),
        renamed=tuple((str(one.before.id), str(one.after.id)) for tree in trees for one in tree.renamed),
        lacking=others,
    )


def _seen(one: _Object, transformation: _Transformation | None) -> Seen | None:
    appearance = one.appearance
    if appearance is None or appearance.shape is None or appearance.shape.box is None:
        return None
    box = appearance.shape.box
    (left, top), (right, bottom) = (
        _fractions(*point, transformation) for point in ((box.left, box.top), (box.right, box.bottom))
    )
    label, score = _kind(appearance)
    # With a transformation, top may be below bottom: the units are then the sender's.
    edges = min(left, right), min(top, bottom), max(left, right), max(top, bottom)
    return object_of(one.id, label, score, edges)


def _fractions(x: float, y: float, transformation: _Transformation | None) -> tuple[float, float]:
    """A point as fractions of the frame, y down."""
    if transformation is not None:
        if transformation.scale is not None:
            x, y = x * transformation.scale.x, y * transformation.scale.y
        if transformation.translate is not None:
            x, y = x + transformation.translate.x, y + transformation.translate.y
    return (x + 1) / 2, (1 - y) / 2


def _kind(appearance: _Appearance) -> tuple[str, float | None]:
    """The likeliest class, and how likely it is; a vehicle's type says more than its class."""
    types = appearance.kind.types if appearance.kind is not None else []
    choices = [_typed(one) for one in (types if isinstance(types, list) else [types])]
    best = max(choices, key=lambda one: 1.0 if one.likelihood is None else one.likelihood, default=_Type())
    vehicles = appearance.vehicles
    first = vehicles[0] if isinstance(vehicles, list) and vehicles else vehicles
    if isinstance(first, _Vehicle) and first.type is not None and best.text in ("", "Vehicle"):
        vehicle = _typed(first.type)
        return vehicle.text, vehicle.likelihood if best.likelihood is None else best.likelihood
    return best.text, best.likelihood


def _typed(one: _Type | str) -> _Type:
    return _Type(text=one) if isinstance(one, str) else one
