"""Follows the tracks of a node's cameras, and says what was known of each when it is over."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edge_node.analytics.watch import Analysed
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.publishing import TrackSettings
from edge_node.consolidate.followed import Followed, Moment, Summary
from shared.wire.messages import TrackEnd

MAX_TRACKS = 512
"""The most tracks that are followed on a camera at a time, of about 10 kB each; further ones are counted."""


class _Camera:
    def __init__(self, settings: TrackSettings) -> None:
        self.settings = settings
        self.followed: dict[int, Followed] = {}
        self.unfollowed: set[int] = set()


class Consolidation:
    """The tracks of all cameras that are now in the picture. For one thread; only `reconfigure` is for any.

    Args:
        cameras: The cameras' settings, by name.

    Attributes:
        not_followed: Number of tracks that found no room.
    """

    def __init__(self, cameras: Mapping[str, CameraSettings]) -> None:
        self._cameras = {name: _Camera(settings.tracks) for name, settings in cameras.items()}
        self.not_followed = 0

    def reconfigure(self, camera: str, settings: TrackSettings) -> None:
        """Use other settings from the next frame on. What is already followed keeps its number of points."""
        if settings.enabled:
            self._cameras[camera].settings = settings
        else:
            self._cameras[camera] = _Camera(settings)

    def update(self, item: Analysed) -> list[Summary]:
        """Take in a frame; return the tracks that ended."""
        camera = self._cameras[item.frame.camera]
        if not camera.settings.enabled:
            return []
        self._see(camera, item)
        ended = []
        for happening in item.report.happenings:
            track_id = happening.track_id
            if track_id is None:
                continue
            if happening.type == "track_ended":
                camera.unfollowed.discard(track_id)
                followed = camera.followed.pop(track_id, None)
                how: TrackEnd | None = "camera_stopped" if item.frame.restarted else None
                ended += [] if followed is None else [followed.end(how)]
            elif (known := camera.followed.get(track_id)) is not None:
                known.experience(happening)
        return _worth(ended, camera.settings)

    def conclude(self, item: Analysed) -> None:
        """Take in what became certain after a camera's last frame."""
        followed = self._cameras[item.frame.camera].followed
        for happening in item.report.happenings:
            if happening.track_id is not None and happening.track_id in followed:
                followed[happening.track_id].experience(happening)

    def end(self, camera: str, how: TrackEnd) -> list[Summary]:
        """End all tracks of a camera, because no frame follows."""
        known = self._cameras[camera]
        followed, known.followed = known.followed, {}
        known.unfollowed.clear()
        return _worth([one.end(how) for one in followed.values()], known.settings)

    def _see(self, camera: _Camera, item: Analysed) -> None:
        """Take in where the tracks of a frame are, as far as a detection supports it."""
        tracks, frame = item.tracks, item.frame
        now = Moment(item.now_s, frame.captured_ns // 1000, frame.width / frame.height)
        size = np.array([frame.width, frame.height] * 2, np.float64)
        speeds = item.report.speed_m_s
        rows = zip(
            tracks.track_id.tolist(),
            tracks.predicted.tolist(),
            tracks.class_id.tolist(),
            tracks.score.tolist(),
            (tracks.xyxy / size).tolist(),
            (tracks.velocity / size[:2]).tolist(),
            [None] * len(tracks) if speeds is None else speeds.tolist(),
            strict=True,
        )
        followed, unfollowed = camera.followed, camera.unfollowed
        for row, (track_id, predicted, class_id, score, box, velocity, speed) in enumerate(rows):
            if predicted or track_id in unfollowed:
                continue
            one = followed.get(track_id)
            if one is None:
                if len(followed) >= MAX_TRACKS:
                    self.not_followed += 1
                    unfollowed.add(track_id)
                    continue
                age_s, points = float(tracks.age_s[row]), camera.settings.points
                one = followed[track_id] = Followed(track_id, age_s, now, tuple(box), points)
            one.see(now, class_id, score, box, velocity, speed)


def _worth(ended: list[Summary], settings: TrackSettings) -> list[Summary]:
    return [one for one in ended if one.duration_s >= settings.min_s]
