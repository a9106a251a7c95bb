"""A picture that a node kept because it is worth labelling, and the file beside it that says why.

The edge node writes both, the viewer shows them to be labelled, and training reads them. ``NAME.jpg`` is a
picture, ``NAME.json`` its sidecar, which is written first: a picture without one is not complete, or is not
ours. People edit such folders by hand, so a sidecar is read as strictly as a message.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from shared import limits, typed
from shared.errors import MessageError
from shared.wire.messages.fields import Count, Fraction, Id, Label, Micros, Pixels

SCHEMA: Literal["darner/collected"] = "darner/collected"
VERSION = 1
ANNOTATIONS = "annotations.json"
"""The file of a folder's labels (COCO). A picture that it names is not replaced by a newer one."""
Reason = Literal["new_scene", "low_score", "flicker", "lost_track", "disagreement"]
"""Why a picture is worth labelling."""

_BYTES = 4_000_000
"""The longest sidecar that is read; `limits.DETECTIONS` boxes take a tenth of it."""
_NAME = re.compile(r"(\d{1,16})-(\d{1,16})\.jpg")


class Proposal(Struct, frozen=True, kw_only=True, rename={"label": "class"}):
    """A box that the node's model proposes.

    Attributes:
        label: The class; `class` in the file.
        score: 0..1.
        xyxy: Left, top, right and bottom, as fractions of the picture.
    """

    label: Annotated[Label, Meta(min_length=1)]
    score: Fraction
    xyxy: tuple[Fraction, Fraction, Fraction, Fraction]

    def __post_init__(self) -> None:
        left, top, right, bottom = self.xyxy
        if left >= right or top >= bottom:
            raise ValueError(f"xyxy {list(self.xyxy)} is not left, top, right, bottom of a box")


class Seeing(Struct, frozen=True, kw_only=True):
    """The model that made the proposals.

    Attributes:
        name: As in the node's manifest.
        sha256: Of its file; None: not known.
    """

    name: Label
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?!\n)$")] | None = None


class Collected(Struct, frozen=True, kw_only=True):
    """What a sidecar says of its picture.

    Attributes:
        schema: Always `SCHEMA`.
        version: Of this format.
        node: The node that kept the picture.
        camera: The camera that took it.
        session: The node's run, within which `seq` counts.
        seq: Number of the frame.
        captured_us: When it was captured, microseconds since 1970 UTC; for a video, as it counts its time.
        reasons: Why it was kept; the first one decided.
        size: Width and height of the picture, pixels.
        light: Mean brightness, from 0 (black) to 1 (white).
        model: What proposes the boxes.
        boxes: What it proposes.
    """

    schema: Literal["darner/collected"] = SCHEMA
    version: Annotated[int, Meta(ge=1)]
    node: Id
    camera: Id
    session: Label
    seq: Count
    captured_us: Micros
    reasons: Annotated[tuple[Reason, ...], Meta(min_length=1, max_length=8)]
    size: tuple[Pixels, Pixels]
    light: Fraction
    model: Seeing
    boxes: Annotated[tuple[Proposal, ...], Meta(max_length=limits.DETECTIONS)]

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise ValueError(f"version {self.version} is not {VERSION}, which this program reads")


class _Named(Struct):
    """The field that only a sidecar's own text must have: a `Collected` in memory has it anyway."""

    schema: str


def serialise(collected: Collected) -> bytes:
    """A sidecar's content."""
    return msgspec.json.format(msgspec.json.encode(collected), indent=1) + b"\n"


def parse(data: bytes) -> Collected:
    """Read a sidecar's content.

    Raises:
        MessageError: It is no sidecar, breaks a rule, or is of a version to come; the text says where.
    """
    if len(data) > _BYTES:
        raise MessageError(f"{len(data)} bytes; at most {_BYTES} are read")
    try:
        typed.decode(data, _Named)
        return typed.decode(data, Collected)
    except msgspec.ValidationError as error:
        raise MessageError(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MessageError(f"not JSON: {error}") from None
    except RecursionError:
        raise MessageError("not JSON: nested too deeply") from None


def file_name(captured_us: int, seq: int) -> str:
    """The name of a picture's file. Sorted by `when`, pictures are in the order in which they were taken."""
    return f"{captured_us}-{seq}.jpg"


def when(picture: Path) -> tuple[int, int] | None:
    """When a picture was captured, and its `seq`, by its name; None for a file that is not so named."""
    found = _NAME.fullmatch(picture.name)
    return (int(found[1]), int(found[2])) if found else None


def sidecar(picture: Path) -> Path:
    """The path of a picture's sidecar."""
    return picture.with_suffix(".json")


def pictures(folder: Path) -> Iterator[Path]:
    """The complete pictures in a camera's folder, in no order; links and what is not ours are left out.

    Raises:
        OSError: The folder cannot be read.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            path = folder / entry.name
            if when(path) is not None and entry.is_file(follow_symlinks=False) and _is_file(sidecar(path)):
                yield path


def read(picture: Path) -> Collected:
    """What the sidecar of a picture says.

    Raises:
        MessageError: It is no sidecar; the text names the file.
        OSError: It cannot be read, or is a link.
    """
    path = sidecar(picture)
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "is not a file", str(path))
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(_BYTES + 1)
    finally:
        os.close(descriptor)
    try:
        return parse(data)
    except MessageError as error:
        raise MessageError(f"{path}: {error}") from None


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False
