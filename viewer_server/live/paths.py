"""The newest finished tracks of each camera, for a picture of where objects went. Nothing of it is stored."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import orjson

from shared.wire.messages import Track

MOST_TRACKS = 50
"""Tracks that are kept of a camera."""
MOST_CAMERAS = 64
"""Cameras that tracks are kept of: about 5 MB in all. The camera whose last track is oldest goes first."""


class Paths:
    """Keeps the newest tracks of each camera. Any thread may call any method."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cameras: OrderedDict[tuple[str, str], OrderedDict[tuple[str, int], bytes]] = OrderedDict()

    def add(self, track: Track) -> None:
        """Keep a track instead of the oldest; one that comes again takes its own place.

        A track without a path, which no node of ours sends, is ignored.
        """
        if not track.path:
            return
        shown = {
            "track_id": track.track_id,
            "label": track.label,
            "started_us": track.started_us,
            "ended_us": track.ended_us,
            "ended": track.ended,
            "path": track.path,
        }
        with self._lock:
            key = track.node, track.camera
            tracks = self._cameras.setdefault(key, OrderedDict())
            self._cameras.move_to_end(key)
            tracks[track.session, track.track_id] = orjson.dumps(shown)
            if len(tracks) > MOST_TRACKS:
                tracks.popitem(last=False)
            if len(self._cameras) > MOST_CAMERAS:
                self._cameras.popitem(last=False)

    def of(self, node: str, camera: str) -> list[dict[str, Any]]:
        """The tracks of a camera, newest first."""
        with self._lock:
            tracks = list(self._cameras.get((node, camera), {}).values())
        return [orjson.loads(one) for one in reversed(tracks)]
