"""Alerts become events, with the picture that their rule asks for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from edge_node.analytics.happenings import wire_box
from edge_node.analytics.watch import Analysed
from edge_node.frames import Frame
from edge_node.monitoring.meter import Meter
from edge_node.outbox.outbox import Outbox
from edge_node.outbox.pictures import Jpeg
from edge_node.publish.compose import Composer
from edge_node.publish.snapshots import Snapshots
from edge_node.rules.alerts import Alerts
from shared.rules.scene import Firing
from shared.wire.messages import Event, now_us

FRESH_US = 5_000_000
"""The newest frame shows what an alert is about if it is at most so much older, microseconds."""


class Alerting:
    """Gives events to the rules, and to the outbox what comes of them.

    Args:
        alerts: The rules.
        outbox: Takes the alerts.
        composer: Makes the messages.
        pictures: Has the pictures of objects and frames.
        newest: Gives the last frame of a camera that was analysed.
        meter: Counts for Prometheus; None: nobody reads it.
    """

    def __init__(
        self,
        alerts: Alerts,
        outbox: Outbox,
        composer: Composer,
        pictures: Snapshots,
        newest: Callable[[str], Analysed | None],
        meter: Meter | None = None,
    ) -> None:
        self._alerts, self._outbox, self._composer = alerts, outbox, composer
        self._pictures, self._newest, self._meter = pictures, newest, meter
        self._lock = threading.Lock()

    def frame(self, item: Analysed, events: Sequence[Event]) -> list[Event]:
        """Give the rules a frame's events; return the alerts."""
        fired = self._alerts.frame(item.frame, events, lambda: _paused(item))
        return [self._send(firing, item.frame.camera, item) for firing in fired]

    def happened(self, event: Event) -> list[Event]:
        """Give the rules an event that did not come from a frame's analysis; return the alerts."""
        fired = self._alerts.happened(event)
        return [self._send(firing, event.camera, self._newest(event.camera)) for firing in fired]

    def look_again(self, camera: str) -> None:
        """Take over a camera's zones and names, which have changed."""
        self._alerts.look_again(camera)

    def attend(self) -> list[Event]:
        """Send what is due on cameras that give no frames; return it. Call this often."""
        return [self._send(firing, camera, self._newest(camera)) for camera, firing in self._alerts.unseen()]

    def _send(self, firing: Firing, camera: str, item: Analysed | None) -> Event:
        """Hand an alert to the outbox, with its picture.

        Args:
            firing: The alert.
            camera: Its camera.
            item: The camera's newest frame.
        """
        frame = item.frame if item is not None else None
        path, jpeg = self._picture(firing, camera, frame) or (None, None)
        fields = firing.fields() | {"snapshot": path}
        if item is not None and firing.track_id is not None:
            rows = (item.tracks.track_id == firing.track_id).nonzero()[0]
            if len(rows):  # where the object is now, not where it was when its stay began
                height, width = item.frame.height, item.frame.width
                box = item.tracks.xyxy[rows[0]].astype(float) / [width, height, width, height]
                fields["box"] = tuple(round(side, 5) for side in wire_box(box))
        if self._meter is not None:
            with self._lock:
                self._meter.events[camera, "alert"] += 1
        return self._outbox.add(self._composer.alert(fields, camera, frame), jpeg)

    def _picture(self, firing: Firing, camera: str, frame: Frame | None) -> tuple[str, Jpeg] | None:
        """Topic and picture of an alert, if it has one."""
        wanted = firing.definition.picture
        if wanted == "none":
            return None
        if wanted == "object" and firing.track_id is not None:
            picture = self._pictures.of_object(firing.track_id, camera)
            if picture is not None:
                return picture
        if frame is None or now_us() - frame.captured_ns // 1000 > FRESH_US:
            return None
        return self._pictures.of_frame(frame)


def _paused(item: Analysed) -> list[str]:
    return [name for name, numbers in item.report.numbers.items() if numbers.paused is not None]
