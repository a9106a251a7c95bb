"""What every reader offers: the pictures of one open source, one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from edge_node.frames import U8

Feed = Literal["film", "pulled", "pushed"]
"""How pictures come: from a film, which has an end and is read at our pace; from a live source that lets
us read faster than it was filmed, such as HLS; or when they were just taken."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A picture, and what the source says about when it was taken.

    Attributes:
        image: u8 ``(H, W, 3)``, BGR.
        media_s: Time on the source's own clock, seconds since an arbitrary start; None when it has no clock.
        sender_ns: Time on the sender's wall clock, nanoseconds since 1970; None when it is not sent.
    """

    image: U8
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
