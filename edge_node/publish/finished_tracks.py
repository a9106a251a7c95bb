"""Finished tracks become messages, each with the best view of its object."""

from __future__ import annotations

from edge_node.analytics.watch import Analysed
from edge_node.config.publishing import TrackSettings
from edge_node.config.settings import EdgeConfig
from edge_node.consolidate.consolidation import Consolidation
from edge_node.consolidate.followed import Summary
from edge_node.frames import Frame
from edge_node.publish.compose import Composer
from edge_node.publish.snapshots import Snapshots
from edge_node.publish.track_sender import TrackSender
from shared.mqtt.client import Client
from shared.wire import messages, topics


class FinishedTracks:
    """Follows the tracks of a node's cameras, and sends those that are over.

    Args:
        client: The connection.
        config: The node's configuration.
        composer: Makes the messages.
        best: Has the best views of tracks.

    Attributes:
        sender: Finished tracks that the broker does not have yet.
    """

    def __init__(self, client: Client, config: EdgeConfig, composer: Composer, best: Snapshots) -> None:
        self._composer, self._best = composer, best
        self._node, self._prefix = config.node, config.mqtt.prefix
        self._consolidation = Consolidation(config.cameras)
        self.sender = TrackSender(client)
        self._over: set[str] = set()  # cameras whose source came to its end by itself

    @property
    def lost(self) -> int:
        """Number of tracks that found no room, here or on the way to the broker."""
        return sum(self.sender.dropped.values()) + self._consolidation.not_followed

    def update(self, item: Analysed) -> None:
        """Take in a frame, and send the tracks that ended."""
        for summary in self._consolidation.update(item):
            self._send(summary, item.frame)

    def conclude(self, item: Analysed) -> None:
        """Take in what became certain after a camera's last frame."""
        self._consolidation.conclude(item)

    def source_ended(self, camera: str) -> None:
        """Note that a camera's source came to its end by itself. Any thread may call this."""
        self._over.add(camera)

    def reconfigure(self, camera: str, settings: TrackSettings) -> None:
        """Use other settings from the next frame on. Any thread may call this."""
        self._consolidation.reconfigure(camera, settings)

    def end(self, last: Frame) -> None:
        """End and send all tracks of a camera, because no frame follows its last one."""
        how: messages.TrackEnd = "camera_stopped" if last.camera in self._over else "node_stopped"
        for summary in self._consolidation.end(last.camera, how):
            self._send(summary, last)

    def _send(self, summary: Summary, frame: Frame) -> None:
        """Send a finished track, and the best view of it if that was not sent yet."""
        snapshot = self._best.send_best(summary.track_id, frame.camera)
        message = messages.encode(self._composer.track(summary, frame, snapshot))
        path = topics.TRACK.path(self._prefix, node=self._node, camera=frame.camera)
        self.sender.offer(path, message, key=f"{frame.camera} {summary.track_id}")
