"""The data of the pipeline: frames, detections and tracks, which are frozen and checked when built."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Literal, NamedTuple, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from shared.geometry import F32, Bool
from shared.wire.messages import ClockSource

U8 = npt.NDArray[np.uint8]
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


Box = tuple[int, int, int, int]
"""Left, top, right and bottom of a part of a picture, in pixels; right and bottom are outside it."""
Colour = Literal["bt601", "bt709", "bt601-full", "bt709-full"]
"""How a picture's luma and chroma become red, green and blue; without "full", luma is from 16 to 235."""


class Copier(Protocol):
    """Copies pictures out of a GPU's memory, cut and scaled there. Any thread may ask.

    Attributes:
        encodes: Whether the GPU encodes JPEGs; else the host encodes small copies.
    """

    encodes: bool

    def part(self, picture: OnGpu, box: Box, width: int, height: int) -> U8:
        """A part of a picture, scaled to width x height by the mean of areas: u8 ``(height, width, 3)``, BGR.

        Any box inside the picture will do, also of NV12.
        """

    def jpeg(self, picture: OnGpu, box: Box, width: int, height: int, quality: int) -> bytes | None:
        """The same as JPEG, the quality 1..100; None: the host has to encode this one."""


@dataclass(frozen=True, slots=True, eq=False)
class OnGpu:
    """A picture in a GPU's memory: NV12, or BGR where it has no chroma.

    Attributes:
        luma: Address of the first row: of the luma, or of the BGR pixels.
        chroma: Address of the chroma's first row, U and V side by side, at half the height; None for BGR.
        pitch: Bytes from one row to the next; the same for luma and chroma.
        width: Pixels; even for NV12.
        height: Pixels; even for NV12.
        copier: Copies it, or parts of it, to the host.
        owner: Whatever keeps the memory; the memory stays as it is while the owner lives.
        colour: How NV12 becomes BGR.
        ready: Handle of the CUDA event after which the picture is there; None: it is there.
    """

    luma: int
    chroma: int | None
    pitch: int
    width: int
    height: int
    copier: Copier
    owner: object
    colour: Colour = "bt601"
    ready: int | None = None
    _host: U8 | None = field(default=None, init=False, repr=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and 3, as of the picture in host memory."""
        return self.height, self.width, 3

    @property
    def whole(self) -> Box:
        """The box of the whole picture."""
        return 0, 0, self.width, self.height

    def in_host(self) -> U8:
        """The whole picture in host memory, u8 ``(H, W, 3)``, BGR; copied when somebody asks first."""
        host = self._host
        if host is None:
            host = self.copier.part(self, self.whole, self.width, self.height)
            object.__setattr__(self, "_host", host)
        return host

    def cut(self, box: Box) -> OnGpu:
        """A part of the picture where it lies.

        Raises:
            ValueError: Four pixels of NV12 share their colour, and the box would part them.
        """
        left, top, right, bottom = box
        if box == self.whole:
            return self
        chroma, before = self.chroma, 3 * left
        if chroma is not None:
            if any(edge % 2 for edge in box):
                raise ValueError(f"a part {box} of an NV12 picture: all four numbers must be even")
            chroma, before = chroma + top // 2 * self.pitch + left, left
        luma = self.luma + top * self.pitch + before
        return replace(self, luma=luma, chroma=chroma, width=right - left, height=bottom - top)


class Decoded(NamedTuple):
    """A picture that a GPU has decoded.

    Attributes:
        picture: Nobody writes to its memory while somebody holds it.
        stamp: The time stamp of what was decoded; None when it had none.
    """

    picture: OnGpu
    stamp: float | None


Picture = U8 | OnGpu
"""A picture in host memory, u8 ``(H, W, 3)`` in BGR, or in a GPU's memory."""


def in_host(picture: Picture) -> U8:
    """The picture in host memory, u8 ``(H, W, 3)``, BGR."""
    return picture.in_host() if isinstance(picture, OnGpu) else picture


def scaled(picture: Picture, width: int, height: int) -> U8:
    """The picture in host memory, scaled to width x height; as it is if it has that size."""
    if picture.shape[:2] == (height, width):
        return in_host(picture)
    if isinstance(picture, OnGpu):
        return picture.copier.part(picture, picture.whole, width, height)
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def fitting(width: int, height: int, most_width: float, most_height: float) -> tuple[int, int]:
    """Width and height of a picture that is shrunk to fit, keeping its aspect; its own if it fits."""
    scale = min(most_width / width, most_height / height)
    if scale >= 1:
        return width, height
    return max(1, round(width * scale)), max(1, round(height * scale))


class Lender(Protocol):
    """Memory for pictures that an engine can take without a copy by the CPU. Any thread may ask."""

    def lend(self, height: int, width: int) -> U8:
        """An array ``(height, width, 3)`` with any content; its memory returns once nobody holds it."""


class Decoding(NamedTuple):
    """Where a camera's video is decoded.

    Attributes:
        on: The processor or the GPU.
        why: Why not on the GPU, where somebody may expect it; None otherwise.
    """

    on: Literal["cpu", "gpu"]
    why: str | None = None


ON_CPU, ON_GPU = Decoding("cpu"), Decoding("gpu")


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
        picture = self.picture
        return picture.in_host() if isinstance(picture, OnGpu) else picture

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

    def aligned(self, box: Box) -> Box:
        """The smallest box around another that `cut` takes: NV12 has a colour for every four pixels."""
        if isinstance(self.picture, OnGpu) and self.picture.chroma is not None:
            left, top, right, bottom = box
            return left & ~1, top & ~1, right + right % 2, bottom + bottom % 2
        return box

    def cut(self, box: Box) -> Picture:
        """A part of the picture where it lies, for a network; see `aligned`."""
        if isinstance(self.picture, OnGpu):
            return self.picture.cut(box)
        left, top, right, bottom = box
        return self.picture[top:bottom, left:right]

    def part(self, box: Box | None = None, most_width: float = inf, most_height: float = inf) -> U8:
        """A part of the picture in host memory, shrunk to fit and keeping its aspect, u8 ``(H, W, 3)``, BGR.

        Args:
            box: Any box inside the picture; None for all of it.
            most_width: Maximum width, pixels.
            most_height: Maximum height, pixels.

        Returns:
            A view of the picture if it is in host memory and fits.
        """
        picture = self.picture
        if box is None:
            return scaled(picture, *fitting(self.width, self.height, most_width, most_height))
        left, top, right, bottom = box
        size = fitting(right - left, bottom - top, most_width, most_height)
        if isinstance(picture, OnGpu):
            return picture.copier.part(picture, box, *size)
        return scaled(picture[top:bottom, left:right], *size)


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
class Detected:
    """A frame, its detections, and how long each step took in milliseconds.

    Attributes:
        frame: As captured.
        detections: None when the network did not run on the frame.
        timings_ms: Milliseconds of each step.
        looked: Where the network looked; None: at the whole frame, as well as it can.
        parts: Where the camera has tiles, what was found in each by itself, in the order of the tiles.
    """

    frame: Frame
    detections: Detections | None
    timings_ms: dict[str, float]
    looked: Looked | None = None
    parts: Sequence[Detections] = ()


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
