"""What was found: cameras with their streams, and which stream suits the detector."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from edge_node.discover.soap import Login

FEWEST_FPS = 5.0
"""Below this rate, frames a second, people who walk are lost between two frames."""
_LONGEST_ID = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundStream:
    """One stream of a camera.

    Attributes:
        source: What `source` is set to, without user and password.
        profile: The camera's own name for it; empty for a webcam.
        codec: Such as ``H.264``; None where nobody said, as for the following.
        width: Pixels.
        height: Pixels.
        fps: Frames a second.
        seen: Whether a picture came from it just now: then the values are measured, else the camera's own.
        trouble: Why no picture came.
    """

    source: str
    profile: str = ""
    codec: str | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    seen: bool = False
    trouble: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundCamera:
    """A camera: one lens of a device in the network, or a webcam.

    Attributes:
        id: A name for the configuration, unique among what was found.
        kind: How it was found.
        title: What it calls itself.
        address: Host, or path below /dev.
        streams: The largest first.
        chosen: Index of the stream that suits the detector; None where there is none.
        notes: What could not be found out, and why.
        denied: Whether it wants a login, or another one.
    """

    id: str
    kind: Literal["onvif", "webcam"]
    title: str
    address: str
    streams: tuple[FoundStream, ...] = ()
    chosen: int | None = None
    notes: tuple[str, ...] = ()
    denied: bool = False


def suiting(streams: Sequence[FoundStream], side: int) -> int | None:
    """The smallest stream that has all the pixels that the network looks at, and enough frames.

    Where none has so many pixels, the largest. A stream that gave no picture counts only if none did.

    Args:
        streams: Of one camera.
        side: Longer side of the network's input, pixels.

    Returns:
        Its index; None for a camera without streams.
    """
    if not streams:
        return None
    usable = [one for one in streams if one.trouble is None] or list(streams)
    fluent = [one for one in usable if one.fps is None or one.fps >= FEWEST_FPS] or usable
    enough = [one for one in fluent if max(one.width or 0, one.height or 0) >= side]
    best = min(enough, key=_pixels) if enough else max(fluent, key=_pixels)
    return streams.index(best)


def largest_first(streams: Iterable[FoundStream]) -> tuple[FoundStream, ...]:
    """The streams in the order in which they are shown."""
    return tuple(sorted(streams, key=_pixels, reverse=True))


def _pixels(stream: FoundStream) -> int:
    return (stream.width or 0) * (stream.height or 0)


def identifier(title: str, taken: set[str]) -> str:
    """A camera's name for the configuration, made of what it calls itself; added to `taken`."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-").lower()[: _LONGEST_ID - 4].strip("-") or "camera"
    name, count = plain, 1
    while name in taken:
        count += 1
        name = f"{plain}-{count}"
    taken.add(name)
    return name


def with_login(source: str, login: Login | None) -> str:
    """A stream's address with user and password."""
    scheme, mark, rest = source.partition("://")
    if login is None or not mark:
        return source
    return f"{scheme}://{quote(login.user, safe='')}:{quote(login.password, safe='')}@{rest}"
