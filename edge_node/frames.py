"""The data of the pipeline: frames, detections and tracks, which are frozen and checked when built."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edge_node.pictures import ON_CPU, U8, Box, Decoding, OnGpu, Picture, cut, fitting, in_host, part, scaled
from shared.geometry import F32, Bool
from shared.wire.messages import ClockSource

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]


def _expect(
    owner: object, name: str, value: npt.NDArray[np.generic], shape: tuple[int, ...], dtype: type
) -> None:
    if value.shape != shape or value.dtype != dtype:
        raise ValueError(
            f"{type(owner).__name__}.{name}: expected {np.dtype(dtype).name} {shape}, "
            f"got {value.dtype.name} {value.shape}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of one camera.

    Attributes:
        camera: Name of the camera.
        seq: Number of the frame within this camera's session, from 0; a missing number means a lost frame.
        captured_ns: Wall clock (UTC) when the frame was captured, nanoseconds since 1970.
        monotonic_ns: Time for durations, nanoseconds: the monotonic clock for live sources, the media clock
            for files.
        picture: u8 ``(H, W, 3)``, BGR, or in a GPU's memory. Nobody writes to it after capture: several
            stages share it.
        restarted: Whether this is the first frame after a reconnect, or of a new pass of a looped file.
            Earlier frames then say nothing about where things are now.
        clock: The clock that `captured_ns` was derived from.
        reader: The library that decoded the frame.
        born_ns: When it was captured, or read from a file, on the monotonic clock, nanoseconds; latencies
            count from here.
        decoding: Where it was decoded.
    """

    camera: str
    seq: int
    captured_ns: int
    monotonic_ns: int
    picture: Picture
    restarted: bool = False
    clock: ClockSource = "arrival"
    reader: str = ""
    born_ns: int = field(default_factory=time.monotonic_ns)
    decoding: Decoding = ON_CPU

    def __post_init__(self) -> None:
        picture = self.picture
        if isinstance(picture, OnGpu):
            return
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise ValueError(
                f"Frame.picture: expected uint8 (H, W, 3), got {picture.dtype.name} {picture.shape}"
            )

    @property
    def image(self) -> U8:
        """The picture in host memory, u8 ``(H, W, 3)``, BGR; a GPU's is copied when somebody asks first.

        Whoever needs a part, or less than all pixels, asks for `part`.
        """
        return in_host(self.picture)

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width and 3."""
        return self.picture.shape

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.picture.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.picture.shape[0])

    def area(self, region: tuple[float, float, float, float] | None) -> Box:
        """A region of interest, in fractions, as pixels that `cut` takes; None for the whole picture."""
        if region is None:
            return 0, 0, self.width, self.height
        x1, y1, x2, y2 = region
        left, top = int(x1 * self.width), int(y1 * self.height)
        right, bottom = max(left + 1, round(x2 * self.width)), max(top + 1, round(y2 * self.height))
        return self.aligned((left, top, right, bottom))

    def aligned(self, box: Box) -> Box:
        """The smallest box around another that `cut` takes: NV12 has a colour for every four pixels."""
        return self.picture.aligned(box) if isinstance(self.picture, OnGpu) else box

    def cut(self, box: Box) -> Picture:
        """A part of the picture where it lies, for a network; see `aligned`."""
        return cut(self.picture, box)

    def part(self, box: Box | None = None, most_width: float = inf, most_height: float = inf) -> U8:
        """A part of the picture in host memory, shrunk to fit and keeping its aspect, u8 ``(H, W, 3)``, BGR.

        Args:
            box: Any box inside the picture; None for all of it.
            most_width: Maximum width, pixels.
            most_height: Maximum height, pixels.

        Returns:
            A view of the picture if it is in host memory and fits.
        """
        if box is None:
            return scaled(self.picture, *fitting(self.width, self.height, most_width, most_height))
        left, top, right, bottom = box
        return part(self.picture, box, *fitting(right - left, bottom - top, most_width, most_height))


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What the detector found in one frame.

    Attributes:
        xyxy: f32 ``(N, 4)``, pixels of the source frame, inside it.
        score: f32 ``(N,)``, 0..1.
        class_id: i32 ``(N,)``.
    """

    xyxy: F32
    score: F32
    class_id: I32

    def __post_init__(self) -> None:
        n = len(self.score)
        _expect(self, "xyxy", self.xyxy, (n, 4), np.float32)
        _expect(self, "score", self.score, (n,), np.float32)
        _expect(self, "class_id", self.class_id, (n,), np.int32)

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, index: Bool | npt.NDArray[np.intp] | slice) -> Detections:
        """Some of the detections: by mask, by indices or by slice."""
        return Detections(self.xyxy[index], self.score[index], self.class_id[index])

    @classmethod
    def empty(cls) -> Detections:
        """No detections."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """The parts of a frame that went through the network, each by itself.

    Attributes:
        xyxy: f32 ``(K, 4)``, pixels of the frame, inside it.
        least: f32 ``(K,)``: side of the smallest object that the network is expected to find there, in pixels
            of the frame; an object's side is the square root of its box's area. The whole frame, scaled down,
            says nothing about small objects.
    """

    xyxy: F32
    least: F32

    def __post_init__(self) -> None:
        n = len(self.least)
        _expect(self, "xyxy", self.xyxy, (n, 4), np.float32)
        _expect(self, "least", self.least, (n,), np.float32)

    def __len__(self) -> int:
        return len(self.least)


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """Which object each detection is, where the camera follows its objects itself.

    Attributes:
        ids: The camera's ids, one for each detection, none twice.
        predicted: bool ``(N,)``: True where the camera guessed the box.
        age_s: f32 ``(N,)``: seconds since the object was first seen; NaN where the camera does not say.
        velocity: f32 ``(N, 2)``: of the box centre, pixels per second; NaN where the camera does not say.
        ended: Ids that will not come again.
        renamed: Objects that go on under another id: the old one and the new one.
    """

    ids: Sequence[str]
    predicted: Bool
    age_s: F32
    velocity: F32
    ended: Sequence[str] = ()
    renamed: Sequence[tuple[str, str]] = ()

    def __post_init__(self) -> None:
        n = len(self.ids)
        _expect(self, "predicted", self.predicted, (n,), np.bool_)
        _expect(self, "age_s", self.age_s, (n,), np.float32)
        _expect(self, "velocity", self.velocity, (n, 2), np.float32)

    def only(self, rows: Bool) -> Followed:
        """Of some of the detections."""
        ids = [name for name, kept in zip(self.ids, rows.tolist(), strict=True) if kept]
        return replace(
            self,
            ids=ids,
            predicted=self.predicted[rows],
            age_s=self.age_s[rows],
            velocity=self.velocity[rows],
        )


class Tiling(Protocol):
    """The tiles of a frame."""

    @property
    def xyxy(self) -> F32:
        """The tiles ``(K, 4)``, pixels of the frame."""

    @property
    def least(self) -> F32:
        """As `Looked` has it, ``(K,)``."""

    @property
    def places(self) -> tuple[int, ...]:
        """Which of them went through the network; the others show what was found there before."""


@dataclass(frozen=True, slots=True, eq=False)
class Detected:
    """A frame, its detections, and how long each step took in milliseconds.

    Attributes:
        frame: As captured.
        detections: None when the network did not run on the frame.
        timings_ms: Milliseconds of each step.
        looked: Where the network looked; None: at the whole frame, as well as it can.
        parts: Where the camera has tiles, what was found in each by itself, in the order of the tiles.
        tiles: Where these tiles are; None where there are none.
        followed: Which objects they are, where the camera itself says so; None: our tracker finds out.
    """

    frame: Frame
    detections: Detections | None
    timings_ms: dict[str, float]
    looked: Looked | None = None
    parts: Sequence[Detections] = ()
    tiles: Tiling | None = None
    followed: Followed | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """The confirmed tracks visible in one frame.

    Attributes:
        xyxy: f32 ``(N, 4)``, pixels of the source frame.
        score: f32 ``(N,)``: score of the latest detection matched with the track.
        class_id: i32 ``(N,)``.
        track_id: i64 ``(N,)``, unique within the session.
        age_s: f32 ``(N,)``: seconds since the track was first seen.
        velocity: f32 ``(N, 2)``: of the box centre, pixels per second.
        predicted: bool ``(N,)``: True where no detection of this frame supports the box.
        ended: i64 ``(K,)``: ids of the confirmed tracks that the tracker gave up in this frame.
    """

    xyxy: F32
    score: F32
    class_id: I32
    track_id: I64
    age_s: F32
    velocity: F32
    predicted: Bool
    ended: I64 = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        n = len(self.track_id)
        _expect(self, "xyxy", self.xyxy, (n, 4), np.float32)
        _expect(self, "score", self.score, (n,), np.float32)
        _expect(self, "class_id", self.class_id, (n,), np.int32)
        _expect(self, "track_id", self.track_id, (n,), np.int64)
        _expect(self, "age_s", self.age_s, (n,), np.float32)
        _expect(self, "velocity", self.velocity, (n, 2), np.float32)
        _expect(self, "predicted", self.predicted, (n,), np.bool_)
        _expect(self, "ended", self.ended, (len(self.ended),), np.int64)

    def __len__(self) -> int:
        return len(self.track_id)

    @classmethod
    def empty(cls) -> Tracks:
        """No tracks."""
        return cls(
            np.zeros((0, 4), np.float32),
            np.zeros(0, np.float32),
            np.zeros(0, np.int32),
            np.zeros(0, np.int64),
            np.zeros(0, np.float32),
            np.zeros((0, 2), np.float32),
            np.zeros(0, np.bool_),
        )
