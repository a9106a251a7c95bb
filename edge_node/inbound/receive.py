"""The frames of a camera that detects by itself: no pictures, but their times and what is in them."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.sources import describe
from edge_node.frames import Detected
from edge_node.inbound.connection import Connection, is_own
from edge_node.inbound.moments import Moments
from edge_node.mqtt_source import MqttSource, parse
from shared.errors import SourceError
from shared.mqtt.address import MqttSettings
from shared.wire.messages import CameraState

log = logging.getLogger("darner.inbound")

_LOOK_S = 0.2
"""How long one wait for a message takes, seconds."""
_STILL_S = 1.0
"""How often a frame says that nothing has changed, where the sender may be silent, seconds."""


def receive(
    camera: str,
    settings: CameraSettings,
    stop: threading.Event,
    on_status: Callable[[CameraState, str | None], None],
    own: MqttSettings,
    own_topic: str,
    class_names: Sequence[str],
    counts: Counter[str],
    least: Callable[[], float] = lambda: 0.0,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Detected]:
    """What one camera sees, until `stop` is set.

    When the messages stay away, a last frame without objects ends what was seen, and the status says why.

    Args:
        camera: The camera's name.
        settings: Its settings.
        stop: Ends the frames, and any wait for the next one.
        on_status: Called whenever the camera's state changes, with the reason.
        own: The node's broker, for sources that name none.
        own_topic: Where this camera's own detections are published.
        class_names: The model's classes by id.
        counts: Counts what was left out, by reason.
        least: Gives the lowest score that counts now.
        clock: Gives seconds; it never goes back.

    Raises:
        SourceError: The address is wrong, or is what the camera itself publishes.
    """
    shown = f"camera {camera}: {describe(settings.source)}"
    try:
        source = parse(str(settings.source))
    except SourceError as error:
        raise SourceError(f"{shown}: {error}") from None
    if is_own(source, own, own_topic):
        raise SourceError(f"{shown}: is what this camera itself publishes; name another topic")
    moments = Moments(camera, source, class_names, counts, least)
    with Connection(camera, source, own, counts) as connection:
        watched = _Watched(shown, source, settings.stall_s, connection, clock)
        while not stop.is_set():
            stop.wait(0)  # shows the watchdog that we wait on purpose
            arrived = connection.get(_LOOK_S)
            counts["overrun"] = connection.dropped
            item = None if arrived is None else moments.of(arrived)
            if moments.heard > watched.heard:
                watched.hear(moments.heard)
            reason = watched.trouble()
            if reason is not None and not watched.lost:
                watched.lost = True
                on_status("reconnecting", reason)
                log.warning("%s; waiting until it is back", reason)
                if moments.begun:
                    yield moments.nothing()
            elif reason is None and item is None and source.quiet and watched.since_frame_s >= _STILL_S:
                item = moments.still()
            if item is not None and reason is None:
                if watched.frame():
                    on_status("streaming", None)
                yield item
    on_status("ended", None)


class _Watched:
    """Whether a camera's messages come.

    Args:
        shown: The camera and its source, for messages.
        source: The source.
        stall_s: Seconds without a message that the camera may take.
        connection: To its broker.
        clock: Gives seconds.

    Attributes:
        heard: Messages that could be read.
        lost: Whether the camera counts as lost.
    """

    def __init__(
        self,
        shown: str,
        source: MqttSource,
        stall_s: float,
        connection: Connection,
        clock: Callable[[], float],
    ) -> None:
        self._shown, self._source, self._stall_s = shown, source, stall_s
        self._connection, self._clock = connection, clock
        self._heard_s = self._stood_s = clock()
        self._frame_s = float("-inf")
        self._streaming = False
        self.heard = 0
        self.lost = False

    @property
    def since_frame_s(self) -> float:
        """Seconds since the last frame."""
        return self._clock() - self._frame_s

    def hear(self, heard: int) -> None:
        """Note that a message has come."""
        self.heard, self._heard_s = heard, self._clock()

    def frame(self) -> bool:
        """Note a frame; whether it is the first one, or the first after a loss."""
        self._frame_s = self._clock()
        first, self.lost, self._streaming = self.lost or not self._streaming, False, True
        return first

    def trouble(self) -> str | None:
        """Why nothing comes; None while nothing is wrong."""
        connection, now_s = self._connection, self._clock()
        if connection.stands:
            self._stood_s = now_s
            connection.refused = None
        if connection.refused is not None:
            return f"{self._shown}: {connection.refused}"
        if now_s - self._stood_s >= self._stall_s:
            return f"{self._shown}: there is no connection to its broker"
        if connection.offline:
            return f"{self._shown}: the sender says that it is offline"
        if not self._source.quiet and now_s - self._heard_s >= self._stall_s:
            return (
                f"{self._shown}: no message that can be read has come for {self._stall_s:g} s; "
                "does the sender publish there? (&quiet=yes if it is silent while it sees nothing)"
            )
        return None
