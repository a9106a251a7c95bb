"""How long a recording is, as far as its folder or its container says."""

from __future__ import annotations

from pathlib import Path

from edge_node.capture.readers.address import parse
from edge_node.capture.readers.video import Video
from edge_node.config.sources import kind_of, path_of, pictures
from shared.errors import SourceError

_STALL_S = 10.0


def length(source: int | str) -> int | None:
    """Number of frames of a recording, or of pictures in a folder; None if it does not say."""
    if kind_of(source) == "folder":
        return len(pictures(Path(str(path_of(source)))))
    video = _opened(source)
    return None if video is None else video.length


def frame_rate(source: int | str) -> float | None:
    """Frames a second of a recording; None for a folder, or if it does not say."""
    video = None if kind_of(source) == "folder" else _opened(source)
    return None if video is None else video.rate or None


def _opened(source: int | str) -> Video | None:
    """A recording, opened for its header and closed again; None if it cannot be opened."""
    path = path_of(source)
    try:
        video = Video(path, "") if path is not None else Video(parse(str(source)).full, "", _STALL_S)
    except SourceError:
        return None
    video.close()
    return video
