"""How long a film is, as far as its folder or its container says."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from edge_node.capture.readers.address import parse
from edge_node.capture.readers.video import Video
from edge_node.config.sources import kind_of, path_of, pictures
from shared.errors import SourceError

_STALL_S = 10.0
_MATROSKA = b"\x1a\x45\xdf\xa3"
"""How MKV and WebM begin. Their header names the time at which the video ends, whenever it begins."""


class Extent(NamedTuple):
    """What a film says about itself before it is read; None for what it does not say.

    Attributes:
        seconds: Its length.
        rate: Its frames a second: on average where they change.
    """

    seconds: float | None
    rate: float | None


def extent_of(source: int | str, fps: float) -> Extent:
    """The extent of a film.

    A container counts frames, or it only names a length, of which FFmpeg makes a number of frames. So only
    the length can be compared with what is read.

    Args:
        source: The film.
        fps: Pictures a second of a folder.
    """
    path = path_of(source)
    if path is not None and kind_of(source) == "folder":
        return Extent(len(pictures(Path(path))) / fps, None)
    try:
        video = Video(path, "") if path is not None else Video(parse(str(source)).full, "", _STALL_S)
    except SourceError:
        return Extent(None, None)
    try:
        rate = video.rate or None
        if rate is None or video.length is None:
            return Extent(None, rate)
        seconds = video.length / rate
        start_s = video.starts_at() if path is not None and _begins(path, _MATROSKA) else 0.0
        return Extent(seconds - start_s if 0 < start_s < seconds else seconds, rate)
    finally:
        video.close()


def _begins(path: str, magic: bytes) -> bool:
    try:
        with Path(path).open("rb") as file:
            return file.read(len(magic)) == magic
    except OSError:
        return False
