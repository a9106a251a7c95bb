"""Sends detections and thumbnails, which may be lost, in a thread of its own."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from edge_node.monitoring.meter import Meter
from shared.channel import Channel, Closed
from shared.mqtt.client import Client
from shared.mqtt.sending import TOGETHER
from shared.wire import messages, topics
from shared.wire.messages import now_us
from shared.wire.stopwatch import Stopwatch

_QUEUED = 2 * TOGETHER
"""Messages of one kind and camera that may wait when every source is a file read fast."""
GATHER_S = 3e-3
"""How long messages gather then before they are sent with one call, seconds: nobody waits for a film, and a
sender that is woken for each of them takes the interpreter, or the core, from who analyses the next frame."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way to the connection.

    Attributes:
        topic: Its kind.
        path: Where it goes.
        camera: Whose it is.
        content: A thumbnail's JPEG, or detections, whose losses are counted when they are sent.
        user_properties: Of a JPEG.
        born_ns: When the frame was captured, on the monotonic clock.
    """

    topic: topics.Topic
    path: str
    camera: str
    content: messages.DetectionsMessage | bytes
    user_properties: dict[str, str] | None
    born_ns: int


class Sending:
    """A channel that keeps the newest message of each kind and camera, and the thread that empties it.

    Args:
        client: The connection.
        stopwatch: Takes the times.
        hurried: Whether every source is a file read fast: then whoever puts a message waits for the sender.
        meter: Told how old a frame was when its detections were sent; None: nobody is.

    Attributes:
        waiting: What waits to be sent.
        thumbnails: Number of thumbnails sent, by camera.
    """

    def __init__(
        self, client: Client, stopwatch: Stopwatch, *, hurried: bool, meter: Meter | None = None
    ) -> None:
        self._client, self._stopwatch, self._hurried, self._meter = client, stopwatch, hurried, meter
        self.waiting: Channel[Outgoing] = Channel(depth=_QUEUED if hurried else 1)
        self.thumbnails: Counter[str] = Counter()
        self._reported: Counter[str] = Counter()

    def put_all(self, queued: Sequence[tuple[Outgoing, str]]) -> None:
        """Put messages into the channel, each with its lane."""
        if not self._hurried:
            self.waiting.put_all_newest(queued)
            return
        for message, lane in queued:
            self.waiting.put(message, lane)

    def run(self) -> None:
        """Send from the channel until it is closed and empty."""
        with contextlib.suppress(Closed):
            while True:
                # No more at once: what is taken cannot be replaced by newer messages.
                items = self.waiting.take(TOGETHER)
                start = time.perf_counter()
                with self._client.together():
                    sent = [item for item in items if self._send(item)]
                now, now_ns = time.perf_counter(), time.monotonic_ns()
                for item in sent:
                    if item.topic is topics.DETECTIONS:
                        self._stopwatch.add("capture_to_publish", (now_ns - item.born_ns) / 1e6)
                        if self._meter is not None:
                            self._meter.sent(item.camera, (now_ns - item.born_ns) / 1e9)
                for _ in items:
                    self._stopwatch.add("send", (now - start) * 1e3 / len(items))
                if self._hurried and len(items) < TOGETHER:
                    time.sleep(GATHER_S)

    def _send(self, item: Outgoing) -> bool:
        """Publish a message; whether the connection took it."""
        content = item.content
        if isinstance(content, bytes):
            sent = self._client.publish(item.topic, item.path, content, user_properties=item.user_properties)
            self.thumbnails[item.camera] += sent
            return sent
        # Counted here, after every part that may lose frames, so that `dropped` includes all losses. A dict,
        # because a copy of the message costs as much as its encoding.
        said = vars(content) | {
            "dropped": content.seq - self._reported[item.camera],
            "published_us": now_us(),
        }
        sent = self._client.publish(item.topic, item.path, messages.encode(said))
        self._reported[item.camera] += sent
        return sent
