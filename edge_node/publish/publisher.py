"""Publishes the pipeline's results over MQTT: `shared.wire.messages` on `shared.wire.topics`."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from edge_node.analytics.watch import Analysed
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.live import LiveStore
from edge_node.config.settings import EdgeConfig
from edge_node.config.sources import are_read_fast
from edge_node.days.book import CameraDays, DayBook
from edge_node.frames import Frame
from edge_node.machine.vitals import Throughput, Vitals
from edge_node.monitoring.meter import Meter
from edge_node.outbox.outbox import Outbox
from edge_node.pace import Pace
from edge_node.publish.alerting import Alerting
from edge_node.publish.compose import Composer
from edge_node.publish.events import Events
from edge_node.publish.finished_tracks import FinishedTracks
from edge_node.publish.jpeg import Fitting
from edge_node.publish.sending import Outgoing, Sending
from edge_node.publish.snapshot_sender import SnapshotSender
from edge_node.publish.snapshots import Snapshots
from edge_node.publish.state.node import NodeState
from edge_node.publish.thumbnails.choosing import Thumbnails
from edge_node.publish.thumbnails.interests import Interests
from edge_node.rules.alerts import Alerts
from shared.channel import Closed
from shared.mqtt.client import Client
from shared.wire import messages, topics
from shared.wire.messages import Event, StageMetrics
from shared.wire.picture_names import NAME_BYTES, properties, with_name
from shared.wire.stopwatch import Stopwatch

log = logging.getLogger("darner.publish")

FAREWELL_S = 1.5
"""How long a farewell waits for the broker: a broker that does not answer must not hold up the exit."""
_AHEAD = 4
"""Frames of one camera that may wait to be encoded when every source is a file read fast."""


class _Camera:
    """What the publisher remembers of one camera."""

    def __init__(self, name: str, settings: CameraSettings, node: str, prefix: str) -> None:
        self.settings = settings
        self.places = {
            topic.name: (topic.path(prefix, node=node, camera=name), f"{topic.name} {name}")
            for topic in (topics.DETECTIONS, topics.THUMBNAIL)
        }
        """Path, and lane of the channel, by topic."""
        self.detections = Pace(settings.detections_fps) if settings.detections_fps else None
        self.last: Analysed | None = None


class Publisher:
    """Turns what the pipeline found into messages.

    Detections and thumbnails, which may be lost, go to a channel that keeps the newest of each kind and
    camera; `encode` makes the thumbnails and `send` sends both, each in a thread of its own. Events go to the
    outbox, snapshots to their sender and retained messages to `state`; none of these waits.

    Args:
        client: The connection.
        outbox: Takes the events.
        snapshots: Takes the best views of tracks.
        config: The node's configuration.
        live: The live settings.
        composer: Makes the messages.
        also: Called with every analysed frame as well; it must not wait.
        meter: Counts for Prometheus; None: nobody reads it.
        concluded: Called with what became certain after a camera's last frame; it must not wait.
        days: Counters of the day, which are kept with the events; None: nobody counts them.
        alerts: The rules, which are given every event; None: there are none.

    Attributes:
        days: Counters of the day, by camera.
        state: The retained messages.
        tracks: Finished tracks that the broker does not have yet; to be entered by whoever wants them sent.
        outgoing: What waits to be sent.
        thumbnails: Frames that wait to be encoded.
        interests: At which cameras somebody looks.
        thumbnails_sent: Number of thumbnails sent, by camera.
        stopwatch: How long each stage took.
        alerting: Makes alerts of events; None: there are no rules.
        events: Takes what happened.
    """

    def __init__(
        self,
        client: Client,
        outbox: Outbox,
        snapshots: SnapshotSender,
        config: EdgeConfig,
        live: LiveStore,
        composer: Composer,
        also: Callable[[Analysed], None] = lambda _: None,
        meter: Meter | None = None,
        concluded: Callable[[Analysed], None] = lambda _: None,
        days: DayBook | None = None,
        alerts: Alerts | None = None,
    ) -> None:
        self._client, self._outbox, self._snapshots = client, outbox, snapshots
        self._node, self._prefix = config.node, config.mqtt.prefix
        self._live, self._composer = live, composer
        self._also, self._concluded = also, concluded
        self.days: Mapping[str, CameraDays] = {} if days is None else days.cameras
        self._cameras = {
            name: _Camera(name, settings, config.node, config.mqtt.prefix)
            for name, settings in config.cameras.items()
        }
        # If every source is a file that is read as fast as possible, reading waits for the sender. With a
        # live camera it must not, because the camera would wait too.
        hurried = are_read_fast(config.cameras)
        self.stopwatch = Stopwatch(histograms=meter is not None)
        self._sending = Sending(client, self.stopwatch, hurried=hurried, meter=meter)
        self.outgoing, self.thumbnails_sent = self._sending.waiting, self._sending.thumbnails
        self.interests = Interests(client, config.mqtt.prefix, config.node)
        self.thumbnails = Thumbnails(
            config.cameras, live, _AHEAD if hurried else 1, waits=hurried, interests=self.interests
        )
        self._fitting = Fitting(client)
        self._best = Snapshots(client, snapshots, config, composer, self._fitting)
        self.alerting = Alerting(alerts, outbox, composer, self._best, self.newest, meter) if alerts else None
        self.events = Events(outbox, composer, self._best, self.days, self.alerting)
        self.state = NodeState(client, config, composer, days=self.days)
        self.serve(config)
        self._finished = FinishedTracks(client, config, composer, self._best)
        self.tracks = self._finished.sender

    def publish_all(self, items: Sequence[Analysed]) -> None:
        """Publish analysed frames: queue their detections and thumbnails, and hand on the rest.

        Args:
            items: Of any cameras, each camera's in their order.
        """
        together: dict[str, Analysed] = {}
        for item in items:
            if item.frame.camera in together:  # one of its frames would take the other's place in the channel
                self._publish_together(list(together.values()))
                together.clear()
            together[item.frame.camera] = item
        self._publish_together(list(together.values()))

    def _publish_together(self, items: Sequence[Analysed]) -> None:
        """Publish frames of different cameras.

        The detections of all go first, because subscribers wait for them, and at once, because a sender that
        is woken for each would take the interpreter from this thread as often.
        """
        start = time.perf_counter()
        queued = [found for item in items if (found := self._compose(item)) is not None]
        composed_s = time.perf_counter() - start
        self._sending.put_all(queued)
        start = time.perf_counter()
        happened = [self._hand_on(item) for item in items]
        # The rules of all cameras follow each other: what they use is in the processor's caches then.
        for item, events in zip(items, happened, strict=True):
            self.events.judge(item, events)
        milliseconds = (composed_s + time.perf_counter() - start) / max(1, len(items)) * 1e3
        for item in items:
            self.stopwatch.add_all(item.timings_ms | {"message": milliseconds})
            self.thumbnails.offer(item.frame, item.now_s)
            self._also(item)

    def _compose(self, item: Analysed) -> tuple[Outgoing, str] | None:
        """A frame's detections, and their lane of the channel; None where the rate leaves them out."""
        self.state.manifest.origin(item.frame)
        pace = self._cameras[item.frame.camera].detections  # read once: another thread may replace it
        if pace is not None and not pace.ready(item.now_s):
            return None
        return self._outgoing(topics.DETECTIONS, item.frame, self._composer.detections(item))

    def _hand_on(self, item: Analysed) -> list[Event]:
        """Give all but detections and pictures of a frame to whoever sends it; return its events."""
        frame, camera = item.frame, self._cameras[item.frame.camera]
        self._best.update(frame, item.tracks)
        if item.definitions is not None:
            self.events.define(item, item.definitions)
        events = self.events.report(item)
        self._finished.update(item)
        camera.last = item
        if item.definitions is not None:
            self.state.define(frame.camera, item.definitions)
        if item.suspects is not None:
            self.state.suspects(frame.camera, item.suspects)
        self.state.analysed(item)
        return events

    def conclude(self, item: Analysed) -> None:
        """Publish what became certain after a camera's last frame; the frame itself was published before."""
        camera = self._cameras[item.frame.camera]
        self.events.judge(item, self.events.report(item))
        self._finished.conclude(item)
        camera.last = item
        self.state.analysed(item)
        self._concluded(item)

    def source_ended(self, camera: str) -> None:
        """Note that a camera's source came to its end by itself. Any thread may call this."""
        self._finished.source_ended(camera)

    def newest(self, camera: str) -> Analysed | None:
        """The last frame of a camera that was analysed."""
        return self._cameras[camera].last

    def reconfigure(self, camera: str, settings: CameraSettings) -> None:
        """Change the settings of thumbnails, snapshots and the rate of detections from the next frame on."""
        known = self._cameras[camera]
        before, known.settings = known.settings, settings
        self.thumbnails.reconfigure(camera, settings.thumbnail)
        if settings.detections_fps != before.detections_fps:
            known.detections = Pace(settings.detections_fps) if settings.detections_fps else None
        if settings.snapshot != before.snapshot:
            self._best.reconfigure(camera, settings.snapshot)
        if settings.tracks != before.tracks:
            self._finished.reconfigure(camera, settings.tracks)

    def serve(self, config: EdgeConfig) -> None:
        """Make thumbnails on demand where the configuration says so, and have viewers say who looks."""
        self.interests.configure(config)
        self.state.manifest.hears(interest=self.interests.wanted)

    def encode(self) -> None:
        """Encode thumbnails until no frame follows, then end `send`; runs in a thread of its own."""
        with contextlib.suppress(Closed):
            while True:
                self.encode_next()
        self.outgoing.close()

    def encode_next(self) -> None:
        """Wait for a frame, and put its thumbnail into the channel.

        Raises:
            Closed: No frame follows.
        """
        frame = self.thumbnails.waiting.get()
        with self.stopwatch.time("thumbnail"):
            path, _ = self._cameras[frame.camera].places[topics.THUMBNAIL.name]
            encoded, shrunk = self.thumbnails.encode(frame, self._client.room(path) - NAME_BYTES)
        self._fitting.note(topics.THUMBNAIL, frame.camera, encoded, shrunk=shrunk)
        if encoded is not None:
            jpeg, size = encoded
            name = self._composer.picture_name(frame.seq, frame.captured_ns, size)
            named = with_name(jpeg, name), properties(name)
            self._sending.put_all([self._outgoing(topics.THUMBNAIL, frame, *named)])

    def send(self) -> None:
        """Send from the channel until it is closed and empty; runs in a thread of its own."""
        self._sending.run()

    def waits(self) -> int:
        """A number that grows while `send` waits for the network."""
        return self._client.waits()

    def metrics(self, uptime_s: float, throughput: Throughput, vitals: Vitals) -> messages.Metrics:
        """Publish and return the node's metrics; the stage quantiles then start over."""
        replaced: Counter[str] = Counter()
        for key, count in dict(self.outgoing.dropped).items():
            replaced[key.partition(" ")[0]] += count
        replaced[topics.THUMBNAIL.name] += sum(dict(self.thumbnails.waiting.dropped).values())
        snapshots = self._snapshots.metrics()
        replaced.update({topics.SNAPSHOT.name: lost} if (lost := sum(snapshots.dropped.values())) else {})
        replaced.update({topics.TRACK.name: lost} if (lost := self._finished.lost) else {})
        lost_here = Counter(self._client.dropped) + replaced  # a copy, because other threads go on counting
        publish = StageMetrics(
            waiting=len(self.outgoing) + len(self.thumbnails.waiting), dropped=sum(lost_here.values())
        )
        message = messages.Metrics(
            **self._composer.head(),
            **vars(vitals),
            uptime_s=round(uptime_s, 3),
            cameras=throughput.cameras,
            stages_ms=self.stopwatch.report(),
            stages=throughput.stages | {"publish": publish},
            batches=throughput.batches,
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
                self._finished.end(camera.last.frame)
            self.state.end(name, camera.last)
        until = time.monotonic() + FAREWELL_S
        self._outbox.drain(FAREWELL_S / 2)
        self._snapshots.drain(until - time.monotonic())
        self.tracks.drain(until - time.monotonic())
        self._client.wait_offered(until - time.monotonic())  # else "offline" would overtake the last numbers
        self.state.gone()
        self._client.finish(max(0.3, until - time.monotonic()))

    def withdraw(self) -> None:
        """Leave the name to another node, which then restores its own state."""
        self.state.withdraw()
        self._client.finish(1.0)

    def _outgoing(
        self,
        topic: topics.Topic,
        frame: Frame,
        content: messages.DetectionsMessage | bytes,
        user_properties: dict[str, str] | None = None,
    ) -> tuple[Outgoing, str]:
        """A message, and its lane of the channel."""
        path, lane = self._cameras[frame.camera].places[topic.name]
        return Outgoing(topic, path, frame.camera, content, user_properties, frame.born_ns), lane
