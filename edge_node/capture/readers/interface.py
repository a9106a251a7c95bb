"""What every reader offers: the pictures of one open source, one by one. What an engine offers to readers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from edge_node.pictures import U8, Colour, Decoded, Lender, Picture

Feed = Literal["film", "pulled", "pushed"]
"""How pictures come: from a film, which has an end and is read at our pace; from a live source that lets
us read faster than it was filmed, such as HLS; or when they were just taken."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A picture, and what the source says about when it was taken.

    Attributes:
        picture: In host memory or in a GPU's.
        media_s: Time on the source's own clock, seconds since an arbitrary start; None when it has no clock.
        sender_ns: Time on the sender's wall clock, nanoseconds since 1970; None when it is not sent.
    """

    picture: Picture
    media_s: float | None = None
    sender_ns: int | None = None


class Reader(Protocol):
    """An open source.

    Attributes:
        name: The library that decodes it.
        feed: How its pictures come.
        rate: Pictures a second where no time stamps say when they were taken; 0 if unknown.
        segment_s: Longest duration of a segment of a live HLS stream, seconds; 0 for all else.
        seconds: Shortest time that a film can be long, as far as its header tells; None if it does not.
    """

    name: str
    feed: Feed
    rate: float
    segment_s: float
    seconds: float | None

    def read(self) -> Taken | None:
        """The next picture; None when the source has ended or the stream has stalled.

        Raises:
            SourceError: The source reports an error.
        """

    def close(self) -> None:
        """Release the camera or file."""


class GpuFilm(Protocol):
    """A video file that a GPU decodes; the stamps are seconds on the file's own clock."""

    def read(self) -> Decoded | None:
        """The next picture in the order of display; None at the end.

        Raises:
            SourceError: The decoder fails.
        """

    def close(self) -> None:
        """Release the file and the decoder. Pictures that somebody holds stay as they are."""


class GpuStream(Protocol):
    """A decoder of one stream, which gets its access units one by one."""

    def decode(self, address: int, size: int, stamp: int) -> list[Decoded]:
        """Decode one access unit, and give the pictures that are complete, often one.

        Args:
            address: Of its bytes in host memory, in Annex B's form.
            size: Number of its bytes.
            stamp: Its time stamp, which its picture gets.

        Raises:
            SourceError: The decoder fails.
        """

    def close(self) -> None:
        """Release the decoder. Pictures that somebody holds stay as they are."""


class GpuDecoder(Protocol):
    """The video decoder of a GPU. Any thread may ask."""

    def film(self, path: str) -> GpuFilm:
        """Open a video file.

        Raises:
            SourceError: The GPU cannot decode it; the text says why, without the file's name.
        """

    def stream(self, codec: Literal["h264", "h265"], colour: Colour) -> GpuStream:
        """Open a decoder for a stream.

        Args:
            codec: Its codec.
            colour: How its pictures become BGR.

        Raises:
            SourceError: The GPU cannot decode it; the text says why.
        """


FindGpu = Callable[[], GpuDecoder | str | None]
"""Gives the video decoder of the GPU that a camera's engine runs on now, or says why that GPU cannot decode.
None: the engine does not run on a GPU."""


class Memory:
    """Where a reader puts its pictures: where the engine needs no copy of them, if the engine lends memory.

    Args:
        lender: Gives the memory that the camera's engine lends now; None: it lends none.
    """

    def __init__(self, lender: Callable[[], Lender | None] = lambda: None) -> None:
        self._lender = lender

    def like(self, shape: tuple[int, ...] | None) -> U8 | None:
        """Memory for a picture of the last one's shape; None: let the library take its own."""
        lender = self._lender()
        return None if shape is None or lender is None else lender.lend(shape[0], shape[1])

    def room(self, height: int, width: int) -> U8:
        """Memory u8 ``(height, width, 3)`` for a picture."""
        lender = self._lender()
        return np.empty((height, width, 3), np.uint8) if lender is None else lender.lend(height, width)
