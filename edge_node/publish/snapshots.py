"""Snapshots: when an event names a track, the best view of it so far is sent."""

from __future__ import annotations

from collections import OrderedDict

from edge_node.analytics.happenings import Happening
from edge_node.config.publishing import SnapshotSettings
from edge_node.config.settings import EdgeConfig
from edge_node.frames import Frame, Tracks
from edge_node.outbox.pictures import Jpeg
from edge_node.publish.best_views import BestViews
from edge_node.publish.compose import Composer
from edge_node.publish.frame_pictures import FramePictures
from edge_node.publish.jpeg import Fitted, Fitting
from edge_node.publish.snapshot_sender import SnapshotSender
from shared import limits
from shared.mqtt.client import Client
from shared.wire import topics
from shared.wire.picture_names import NAME_BYTES, properties, read_name, with_name

FRAMES = 900_000_000_000_000
"""The picture of a whole frame stands where that of a track would: under this number plus the frame's. No
track has such a number."""


SENT = 64
"""The tracks of a camera whose last picture is kept for alerts."""


class _Camera:
    def __init__(self, settings: SnapshotSettings) -> None:
        self.quality, self.fitted = settings.quality, Fitted()
        self.seq = -1  # of the last whole frame
        self.sent: OrderedDict[int, bytes] = OrderedDict()
        self.views = BestViews(settings) if settings.enabled else None


class Snapshots:
    """Keeps the best view of each track, and encodes it when an event needs it.

    Args:
        client: The connection.
        sender: Takes the pictures.
        config: The node's configuration.
        composer: Makes the pictures' properties.
        fitting: Is told of pictures that do not fit.
    """

    def __init__(
        self, client: Client, sender: SnapshotSender, config: EdgeConfig, composer: Composer, fitting: Fitting
    ) -> None:
        self._client, self._sender, self._composer, self._fitting = client, sender, composer, fitting
        self._frames = FramePictures(composer, fitting, client.room)
        self._node, self._prefix = config.node, config.mqtt.prefix
        self._cameras = {name: _Camera(settings.snapshot) for name, settings in config.cameras.items()}

    def reconfigure(self, camera: str, settings: SnapshotSettings) -> None:
        """Forget a camera's views, and use other settings from now on. Any thread may call this."""
        self._cameras[camera] = _Camera(settings)

    def update(self, frame: Frame, tracks: Tracks) -> None:
        """Look for better views in a frame."""
        views = self._cameras[frame.camera].views
        if views is not None:
            views.update(frame, tracks)

    def send(self, happening: Happening, camera: str) -> str | None:
        """Send the best view of a happening's track unless it was sent; return its topic, if any."""
        # The first view of a track is seldom its best: its start alone is no reason to publish one.
        if happening.track_id is None or happening.type == "track_started":
            return None
        return self.send_best(happening.track_id, camera)

    def send_best(self, track_id: int, camera: str) -> str | None:
        """Send a track's best view unless it was sent; return the topic of its snapshots, if any."""
        known = self._cameras[camera]
        if known.views is None:
            return None
        path = self._path(camera, track_id)
        if (jpeg := self._encode(known, track_id, camera, path)) is not None:
            name = read_name(jpeg)
            self._sender.offer(path, jpeg, None if name is None else properties(name))
        return path if known.views.was_taken(track_id) else None

    def of_object(self, track_id: int, camera: str) -> tuple[str, Jpeg] | None:
        """Topic and picture of a track's best view, for an alert; None if there never was one.

        It may have been sent before, but who keeps pictures may have been away.
        """
        known = self._cameras[camera]
        if known.views is None:
            return None
        path = self._path(camera, track_id)
        jpeg = self._encode(known, track_id, camera, path) or known.sent.get(track_id)
        return (path, jpeg) if known.views.was_taken(track_id) else None

    def of_frame(self, frame: Frame) -> tuple[str, Jpeg] | None:
        """Topic of a whole frame's picture, and what makes it unless it was taken; None: there is none."""
        known = self._cameras[frame.camera]
        if known.views is None:
            return None
        path = self._path(frame.camera, FRAMES + frame.seq)
        if known.seq == frame.seq:
            return path, None
        make = self._frames.take(path, frame, known.quality)
        if make is None:
            return None
        known.seq = frame.seq
        return path, make

    def _encode(self, known: _Camera, track_id: int, camera: str, path: str) -> bytes | None:
        """A track's best view as JPEG with its name; None if it was encoded before, or does not fit."""
        best = known.views.take(track_id) if known.views is not None else None
        if best is None or best.image is None:
            return None
        room = min(limits.SNAPSHOT_BYTES, self._client.room(path)) - NAME_BYTES
        encoded = known.fitted.encode(best.image, known.quality, room)
        self._fitting.note(topics.SNAPSHOT, camera, encoded, shrunk=known.fitted.shrinks)
        if encoded is None:
            return None
        jpeg, size = encoded
        jpeg = known.sent[track_id] = with_name(
            jpeg, self._composer.picture_name(best.seq, best.captured_ns, size)
        )
        if len(known.sent) > SENT:
            known.sent.popitem(last=False)
        return jpeg

    def _path(self, camera: str, track: int) -> str:
        return topics.SNAPSHOT.path(self._prefix, node=self._node, camera=camera, track=str(track))
