"""Everything the edge node says on MQTT: `shared.wire.messages` under `shared.wire.topics`."""

from __future__ import annotations

import dataclasses
import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edge_node import __version__
from edge_node.analytics.happenings import Happening
from edge_node.analytics.watch import Analysed
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.definitions import Definitions, DefinitionStore
from edge_node.config.settings import EdgeConfig
from edge_node.config.sources import describe, hurries
from edge_node.frames import U8, Frame
from edge_node.machine.vitals import Load, Vitals
from edge_node.outbox.outbox import Outbox
from edge_node.pace import Pace
from edge_node.publish import payloads
from edge_node.publish.best_views import Snapshots
from edge_node.publish.compose import Composer
from edge_node.publish.jpeg import encode_jpeg, shrink
from edge_node.publish.snapshot_sender import Pictures
from shared.channel import Channel
from shared.mqtt.client import Client
from shared.wire import messages, topics
from shared.wire.messages import StageMetrics, ZoneNumbers, now_us
from shared.wire.stopwatch import Stopwatch

log = logging.getLogger("darner.publisher")

CAPABILITIES = ("detections", "thumbnails", "snapshots", "tracks", "zones", "lines", "commands")
FAREWELL_S = 1.5
"""For what is still to be sent at the end: a broker that does not answer must not hold it up."""
ZONE_REFRESH_S = 1.0
"""How often a zone's dwell times are published while nothing else changes in it."""
_AHEAD = 4
"""Messages of a kind and file that may wait to be sent."""
ORIGIN_REFRESH_S = 1.0
"""How often the manifest is published anew because a camera's clock or reader has changed."""


def new_session() -> str:
    """Identifier of one run of a node: sorts by time, never repeats."""
    return f"{int(time.time()):x}-{secrets.token_hex(3)}"


def status_message(node: str, session: str, status: Literal["online", "offline"]) -> bytes:
    """The node's status; "offline" is its will."""
    return messages.encode(
        messages.NodeStatus(
            node=node, session=session, published_us=now_us(), status=status, version=__version__
        )
    )


@dataclass(frozen=True, slots=True)
class _Outgoing:
    topic: topics.Topic
    path: str
    camera: str
    content: messages.DetectionsMessage | bytes
    user_properties: dict[str, str] | None = None


class _Camera:
    """What the publisher remembers of one camera."""

    def __init__(self, settings: CameraSettings) -> None:
        self.settings = settings
        self.thumbnails = Pace(settings.thumbnail.fps)
        self.detections = Pace(settings.detections_fps) if settings.detections_fps else None
        self.snapshots = Snapshots(settings.snapshot) if settings.snapshot.enabled else None
        self.reported = 0
        self.zones: dict[str, tuple[ZoneNumbers, float]] = {}
        self.count = (0, 0)  # of zones and lines
        self.last: Analysed | None = None
        self.status: str | None = None
        self.origin: tuple[messages.ClockSource, str] | None = None  # clock and reader
        self.origin_at = -ORIGIN_REFRESH_S


class Publisher:
    """Turns what the pipeline found into messages.

    Lossy messages go to a channel that keeps the newest of each kind and camera, and `send` sends them from a
    thread of its own; events are handed to the outbox and retained state to the client, which never wait.

    Args:
        client: The connection.
        outbox: Takes the events.
        config: The node's configuration.
        class_names: By class id.
        session: Identifier of this run.
        also: Gets every analysed frame as well, and must not wait.
    """

    def __init__(
        self,
        client: Client,
        outbox: Outbox,
        pictures: Pictures,
        config: EdgeConfig,
        class_names: Sequence[str],
        session: str,
        also: Callable[[Analysed], None] = lambda _: None,
    ) -> None:
        self._client, self._outbox, self._pictures = client, outbox, pictures
        self._node, self._session, self._prefix = config.node, session, config.mqtt.prefix
        self._composer = Composer(config.node, session, class_names)
        self._also = also
        self._cameras = {name: _Camera(settings) for name, settings in config.cameras.items()}
        self._status_lock = threading.Lock()
        self._about: dict[str, Any] | None = None
        # Files alone, as fast as they go, wait for the sender; beside a camera that would hold up the camera.
        hurried = all(map(hurries, config.cameras.values()))
        self.outgoing: Channel[_Outgoing] = Channel(depth=_AHEAD if hurried else 1)
        self._put = self.outgoing.put if hurried else self.outgoing.put_newest
        self.thumbnails_sent: Counter[str] = Counter()
        self.stopwatch = Stopwatch()

    def announce(
        self,
        model: messages.ModelInfo,
        backend: str,
        device: str,
        tracker: str,
        definitions: DefinitionStore,
    ) -> None:
        """Publish who we are: status, manifest, and every camera's zones."""
        self._state(topics.STATUS, status_message(self._node, self._session, "online"))
        for name in self._cameras:
            self._definitions(name, definitions[name])
            self.camera_status(name, "starting")
        self._about = {"model": model, "backend": backend, "device": device, "tracker": tracker}
        self._inform()

    def _inform(self) -> None:
        """Publish the manifest."""
        if self._about is None:
            return
        cameras = tuple(
            messages.CameraInfo(
                camera=name,
                source=describe(camera.settings.source),
                zones=camera.count[0],
                lines=camera.count[1],
                clock=camera.origin and camera.origin[0],
                reader=camera.origin and camera.origin[1],
            )
            for name, camera in self._cameras.items()
        )
        info = messages.NodeInfo(
            **self._composer.head(),
            version=__version__,
            cameras=cameras,
            capabilities=CAPABILITIES,
            **self._about,
        )
        self._state(topics.INFO, messages.encode(info))

    def camera_status(self, camera: str, status: messages.CameraState, reason: str | None = None) -> None:
        """Publish what a camera is doing; the same status again is not news."""
        with self._status_lock:
            if self._cameras[camera].status == status:
                return
            self._cameras[camera].status = status
        message = messages.CameraStatus(
            **self._composer.head(),
            camera=camera,
            status=status,
            since_us=now_us(),
            reason=reason and reason[:512],
        )
        self._state(topics.CAMERA_STATUS, messages.encode(message), camera=camera)

    def publish(self, item: Analysed) -> None:
        """Take one analysed frame: events and numbers now, detections and thumbnail into the channel."""
        frame, camera = item.frame, self._cameras[item.frame.camera]
        start = time.perf_counter()
        if camera.origin != (frame.clock, frame.reader):
            self._new_origin(frame, camera)
        snapshots, detections = camera.snapshots, camera.detections  # another thread may change them
        if detections is None or detections.ready(item.now_s):  # first: nobody waits for the rest
            self._offer(topics.DETECTIONS, frame, self._composer.detections(item))
        if snapshots:
            snapshots.update(frame, item.tracks)
        for happening in item.report.happenings:
            snapshot = self._snapshot(happening, frame.camera, camera)
            self._outbox.add(self._composer.event(happening, item, snapshot))
        camera.last = item
        if item.definitions is not None:
            self._definitions(frame.camera, item.definitions)
        for numbers in item.report.numbers.values():
            self._zone(camera, numbers, frame)
        for step, milliseconds in item.timings_ms.items():
            self.stopwatch.add(step, milliseconds)
        self.stopwatch.add("message", (time.perf_counter() - start) * 1e3)
        if camera.thumbnails.ready(item.now_s):
            with self.stopwatch.time("thumbnail"):
                settings = camera.settings.thumbnail
                image = shrink(frame.image, settings.width, frame.height)
                jpeg = encode_jpeg(image, settings.quality)
            properties = self._picture_properties(frame.seq, frame.captured_ns, image)
            self._offer(topics.THUMBNAIL, frame, jpeg, properties)
        self._also(item)

    def newest(self, camera: str) -> Analysed | None:
        """The last frame of a camera that was analysed."""
        return self._cameras[camera].last

    def set_thumbnail_fps(self, camera: str, fps: float) -> None:
        """Another rate of JPEGs, from the next frame on."""
        self._cameras[camera].thumbnails = Pace(fps)

    def reconfigure(self, camera: str, settings: CameraSettings) -> None:
        """Other settings of thumbnails, snapshots and the rate of detections, from the next frame on."""
        known = self._cameras[camera]
        before, known.settings = known.settings, settings
        if settings.thumbnail.fps != before.thumbnail.fps:
            self.set_thumbnail_fps(camera, settings.thumbnail.fps)
        if settings.detections_fps != before.detections_fps:
            known.detections = Pace(settings.detections_fps) if settings.detections_fps else None
        if settings.snapshot != before.snapshot:
            known.snapshots = Snapshots(settings.snapshot) if settings.snapshot.enabled else None

    def send(self) -> None:
        """Send from the channel until it is closed and empty; runs in a thread of its own."""
        for item in self.outgoing:
            with self.stopwatch.time("send"):
                self._send(item)

    def _send(self, item: _Outgoing) -> None:
        content = item.content
        if isinstance(content, messages.DetectionsMessage):
            camera = self._cameras[item.camera]
            # Counted here and not where frames are lost, so that it is right wherever that was.
            content = dataclasses.replace(
                content, dropped=content.seq - camera.reported, published_us=now_us()
            )
            if self._client.publish(item.topic, item.path, messages.encode(content)):
                camera.reported += 1
                self.stopwatch.add("capture_to_publish", (now_us() - content.captured_us) / 1e3)
        elif self._client.publish(item.topic, item.path, content, user_properties=item.user_properties):
            self.thumbnails_sent[item.camera] += 1

    def metrics(self, uptime_s: float, load: Load, vitals: Vitals) -> messages.Metrics:
        """Publish how the node is doing, and return it; starts a new period of the stage quantiles."""
        replaced: Counter[str] = Counter()
        for key, count in dict(self.outgoing.dropped).items():
            replaced[key.partition(" ")[0]] += count
        snapshots = self._pictures.metrics()
        replaced.update({topics.SNAPSHOT.name: lost} if (lost := sum(snapshots.dropped.values())) else {})
        lost_here = self._client.dropped + replaced
        publish = StageMetrics(waiting=len(self.outgoing), dropped=sum(lost_here.values()))
        message = messages.Metrics(
            **self._composer.head(),
            **vars(vitals),
            uptime_s=round(uptime_s, 3),
            cameras=load.cameras,
            stages_ms=self.stopwatch.report(),
            stages=load.stages | {"publish": publish},
            batches=load.batches,
            publish_dropped=dict(lost_here),
            outbox=self._outbox.metrics(),
            snapshots=snapshots,
        )
        path = topics.METRICS.path(self._prefix, node=self._node)
        self._client.publish(topics.METRICS, path, messages.encode(message))
        return message

    def farewell(self) -> None:
        """Publish the last numbers and "offline", and wait a moment for the broker to have them."""
        for name, camera in self._cameras.items():
            if camera.last is not None:
                for numbers in camera.last.report.numbers.values():
                    self._zone(camera, numbers, camera.last.frame, at_once=True)
            self.camera_status(name, "ended")
        until = time.monotonic() + FAREWELL_S
        self._outbox.drain(FAREWELL_S / 2)
        self._pictures.drain(until - time.monotonic())
        self._state(topics.STATUS, status_message(self._node, self._session, "offline"))
        self._client.finish(max(0.3, until - time.monotonic()))

    def withdraw(self) -> None:
        """Leave the name to another node: take back what we published, so that it can restore its own."""
        self._client.clear_state(self._prefix)
        self._state(topics.STATUS, status_message(self._node, self._session, "offline"))
        self._client.finish(1.0)

    def _new_origin(self, frame: Frame, camera: _Camera) -> None:
        """Say in the manifest where a camera's frames and their times come from."""
        now = time.monotonic()
        if now - camera.origin_at >= ORIGIN_REFRESH_S:
            camera.origin, camera.origin_at = (frame.clock, frame.reader), now
            self._inform()

    def _state(self, topic: topics.Topic, payload: bytes, **ids: str) -> None:
        self._client.set_state(topic, topic.path(self._prefix, node=self._node, **ids), payload)

    def _offer(
        self,
        topic: topics.Topic,
        frame: Frame,
        content: messages.DetectionsMessage | bytes,
        user_properties: dict[str, str] | None = None,
    ) -> None:
        path = topic.path(self._prefix, node=self._node, camera=frame.camera)
        item = _Outgoing(topic, path, frame.camera, content, user_properties)
        self._put(item, f"{topic.name} {frame.camera}")

    def _snapshot(self, happening: Happening, name: str, camera: _Camera) -> str | None:
        """Send the track's best view if it is a new one; its topic, if it ever had one."""
        track_id, snapshots = happening.track_id, camera.snapshots
        # The first view of a track is seldom its best: its start alone is no reason to publish one.
        if snapshots is None or track_id is None or happening.type == "track_started":
            return None
        path = topics.SNAPSHOT.path(self._prefix, node=self._node, camera=name, track=str(track_id))
        best = snapshots.take(track_id)
        if best is not None and best.image is not None:
            jpeg = encode_jpeg(best.image, camera.settings.snapshot.quality)
            properties = self._picture_properties(best.seq, best.captured_ns, best.image)
            self._pictures.offer(path, jpeg, properties)
        return path if snapshots.was_taken(track_id) else None

    def _picture_properties(self, seq: int, captured_ns: int, image: U8) -> dict[str, str]:
        return {
            "session": self._session,
            "seq": str(seq),
            "captured_us": str(captured_ns // 1000),
            "width": str(image.shape[1]),
            "height": str(image.shape[0]),
        }

    def _definitions(self, name: str, definitions: Definitions) -> None:
        """Publish the zones and lines in force, and clear the numbers of those that are not any more."""
        message = messages.Zones(
            **self._composer.head(),
            camera=name,
            version=definitions.version,
            zones=definitions.zones,
            lines=definitions.lines,
        )
        self._state(topics.ZONES, messages.encode(message), camera=name)
        count = len(definitions.zones), len(definitions.lines)
        if count != self._cameras[name].count:
            self._cameras[name].count = count
            self._inform()
        known = self._cameras[name].zones
        for gone in known.keys() - definitions.zones.keys() - definitions.lines.keys():
            del known[gone]
            self._state(topics.ZONE, b"", camera=name, zone=gone)

    def _zone(self, camera: _Camera, numbers: ZoneNumbers, frame: Frame, *, at_once: bool = False) -> None:
        last, at = camera.zones.get(numbers.zone, (None, 0.0))
        if numbers == last:
            return
        now = time.monotonic()
        fresh = last is not None and now - at < ZONE_REFRESH_S and payloads.only_time_passed(last, numbers)
        if fresh and not at_once:
            return
        camera.zones[numbers.zone] = (numbers, now)
        message = self._composer.zone(numbers, frame)
        self._state(topics.ZONE, messages.encode(message), camera=frame.camera, zone=numbers.zone)
