"""Snapshots: when an event names a track, the best view of it so far is sent."""

from __future__ import annotations

from collections import OrderedDict

from edge_node.analytics.happenings import Happening
from edge_node.config.camera_settings import SnapshotSettings
from edge_node.config.settings import EdgeConfig
from edge_node.frames import Frame, Tracks
from edge_node.publish.best_views import BestViews
from edge_node.publish.compose import Composer
from edge_node.publish.frame_pictures import FramePictures
from edge_node.publish.jpeg import Fitted, Fitting
from edge_node.publish.snapshot_sender import SnapshotSender
from shared import limits
from shared.mqtt.client import Client
from shared.wire import topics
from shared.wire.picture_names import NAME_BYTES, properties, with_name

FRAMES = 900_000_000_000_000
"""The picture of a whole frame stands where that of a track would: under this number plus the frame's. No
track has such a number."""


SENT = 64
"""The tracks of a camera whose last picture is kept, so that an alert can have it sent again."""


class _Camera:
    def __init__(self, settings: SnapshotSettings) -> None:
        self.quality, self.fitted = settings.quality, Fitted()
        self.seq = -1  # of the last whole frame
        self.sent: OrderedDict[int, tuple[bytes, dict[str, str]]] = OrderedDict()
        self.views = BestViews(settings) if settings.enabled else None


class Snapshots:
    """Keeps the best view of each track, and encodes it when an event needs it.

    Args:
        client: The connection.
        sender: Takes the pictures.
        config: The node's configuration.
        composer: Makes the pictures' properties.
        fitting: Is told of pictures that do not fit.

    Attributes:
        frames: Encodes whole frames.
    """

    def __init__(
        self, client: Client, sender: SnapshotSender, config: EdgeConfig, composer: Composer, fitting: Fitting
    ) -> None:
        self._client, self._sender, self._composer, self._fitting = client, sender, composer, fitting
        self.frames = FramePictures(sender, composer, fitting, client.room)
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

    def send_best(self, track_id: int, camera: str, *, again: bool = False) -> str | None:
        """Send a track's best view unless it was sent; return the topic of its snapshots, if any.

        Args:
            track_id: The track.
            camera: Its camera.
            again: Send the last one again: who keeps pictures may have been away when it was sent.
        """
        known = self._cameras[camera]
        if known.views is None:
            return None
        path = self._path(camera, track_id)
        best = known.views.take(track_id)
        if best is not None and best.image is not None:
            room = min(limits.SNAPSHOT_BYTES, self._client.room(path)) - NAME_BYTES
            encoded = known.fitted.encode(best.image, known.quality, room)
            self._fitting.note(topics.SNAPSHOT, camera, encoded, shrunk=known.fitted.shrinks)
            if encoded is not None:
                jpeg, size = encoded
                name = self._composer.picture_name(best.seq, best.captured_ns, size)
                known.sent[track_id] = with_name(jpeg, name), properties(name)
                if len(known.sent) > SENT:
                    known.sent.popitem(last=False)
                again = True
        if again and track_id in known.sent:
            self._sender.offer(path, *known.sent[track_id])
        return path if known.views.was_taken(track_id) else None

    def send_frame(self, frame: Frame) -> str | None:
        """Have a whole frame sent unless it was; return its topic, None where there will be no picture."""
        known = self._cameras[frame.camera]
        if known.views is None:
            return None
        path = self._path(frame.camera, FRAMES + frame.seq)
        if known.seq != frame.seq:
            if not self.frames.offer(path, frame, known.quality):
                return None
            known.seq = frame.seq
        return path

    def _path(self, camera: str, track: int) -> str:
        return topics.SNAPSHOT.path(self._prefix, node=self._node, camera=camera, track=str(track))
