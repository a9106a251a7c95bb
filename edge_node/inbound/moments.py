"""Messages become frames without pictures: in order, timed as live streams are, and with our classes."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from edge_node.capture.clock import StreamClock
from edge_node.frames import Detected, Detections, Followed, Frame
from edge_node.inbound import axis, darner, onvif
from edge_node.inbound.classes import Classes
from edge_node.inbound.connection import Arrived
from edge_node.inbound.frigate import Board
from edge_node.inbound.scene import Scene, Seen
from edge_node.mqtt_source import MqttSource
from edge_node.pictures import U8
from shared import clock as wall_clock
from shared.errors import MessageError
from shared.log import Once

log = logging.getLogger("darner.inbound")

_BACK_US = 2_000_000
"""A time that goes back by less than this, microseconds, is of a message that came late, or twice. By more,
it is of a sender that has set its clock or started again."""
_READERS = {
    "axis": axis.read,
    "darner": darner.read,
    "onvif": onvif.read,
}


class Moments:
    """Makes the frames of one camera.

    Args:
        camera: The camera's name.
        source: How its messages are read.
        class_names: The model's classes by id.
        counts: Counts what is left out, by reason.
        least: Gives the lowest score that counts now.

    Attributes:
        heard: Messages that could be read so far.
    """

    def __init__(
        self,
        camera: str,
        source: MqttSource,
        class_names: Sequence[str],
        counts: Counter[str],
        least: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._camera, self._source, self._counts, self._least = camera, source, counts, least
        self._classes, self._once = Classes(class_names), Once()
        self._board = Board(source.camera, source.size) if source.form == "frigate" else None
        self._clock, self._shown = StreamClock(), wall_clock.SteadyClock()
        self._picture = _blank(source.size)
        self._last: Scene | None = None
        self._seq = 0
        self.heard = 0

    @property
    def begun(self) -> bool:
        """Whether there was a frame."""
        return self._seq > 0

    def of(self, arrived: Arrived) -> Detected | None:
        """The frame of a message; None if it has none, or none that comes behind the last one."""
        payload, arrived_ns, wall_ns = arrived
        try:
            scene = self._read(payload)
        except MessageError as error:
            self._leave_out("unreadable", "a message", str(error))
            return None
        self.heard += 1
        if scene is None:
            return None
        restarted = False
        if (last := self._last) is not None:
            back_us = last.captured_us - scene.captured_us
            restarted = scene.session != last.session or back_us >= _BACK_US
            if back_us >= 0 and not restarted:
                if self._board is None:
                    self._counts["late"] += 1
                    return None
                scene = replace(scene, captured_us=last.captured_us)
        self._last = scene
        at = self._clock.stamp(arrived_ns, wall_ns, scene.captured_us / 1e6, scene.captured_us * 1000)
        return self._detected(scene, at, restarted=restarted)

    def still(self) -> Detected:
        """A frame that shows what is known while no message comes."""
        return self._detected(Scene(0) if self._board is None else self._board.still(0), self._now())

    def nothing(self) -> Detected:
        """A frame that ends everything, because nobody knows what is there."""
        if self._board is not None:
            self._board.clear()
        return self._detected(Scene(0), self._now(), restarted=True)

    def _read(self, payload: bytes) -> Scene | None:
        return _READERS[self._source.form](payload) if self._board is None else self._board.read(payload)

    def _now(self) -> tuple[int, int]:
        return self._clock.stamp(time.monotonic_ns(), wall_clock.now_ns(), None, None)

    def _detected(self, scene: Scene, at: tuple[int, int], *, restarted: bool = False) -> Detected:
        wall_ns, monotonic_ns = at
        now_ns = time.monotonic_ns()
        if scene.size is not None and scene.size != self._picture.shape[1::-1]:
            self._picture = _blank(scene.size)
            restarted = restarted or self.begun  # earlier pixel coordinates mean nothing
        frame = Frame(
            self._camera,
            self._seq,
            self._shown.held(wall_ns, now_ns),
            monotonic_ns,
            self._picture,
            restarted,
            self._clock.source,
            "mqtt",
            now_ns - (wall_clock.now_ns() - wall_ns),
        )
        self._seq += 1
        self._counts["malformed"] += scene.lacking
        rows = [(one, class_id) for one in scene.seen if (class_id := self._wanted(one)) is not None]
        size = np.array([frame.width, frame.height] * 2, np.float64)
        boxes = np.array([one.box for one, _ in rows], np.float64).reshape(-1, 4) * size
        found = Detections(
            boxes.astype(np.float32),
            np.array([one.score for one, _ in rows], np.float32),
            np.array([class_id for _, class_id in rows], np.int32),
        )
        followed = None
        if not self._source.ours:
            moving = np.array([one.velocity for one, _ in rows], np.float64).reshape(-1, 2) * size[:2]
            followed = Followed(
                [one.id for one, _ in rows],
                np.array([one.predicted for one, _ in rows], np.bool_),
                np.array([one.age_s for one, _ in rows], np.float32),
                moving.astype(np.float32),
                scene.ended,
                scene.renamed,
            )
        return Detected(frame, found, {}, followed=followed)

    def _wanted(self, one: Seen) -> int | None:
        """The class id of an object that counts; None for one that does not."""
        if one.score < self._least() or (self._source.ours and one.predicted):
            return None
        if not one.id and not self._source.ours:
            self._leave_out("without_id", "an object", "it has no id; &ids=ours lets our tracker follow it")
            return None
        class_id = self._classes.id_of(one.label)
        if class_id is None:
            self._leave_out("unknown_class", "an object", f"the model has no class {one.label[:40]!r}")
        return class_id

    def _leave_out(self, reason: str, what: str, why: str) -> None:
        self._counts[reason] += 1
        if self._once(reason):
            log.warning(
                "camera %s: %s on %s was left out: %s (said once; metrics count them)",
                self._camera,
                what,
                self._source.topic,
                why,
            )


def _blank(size: tuple[int, int]) -> U8:
    """A black picture, width x height, which takes no memory."""
    return np.broadcast_to(np.zeros(1, np.uint8), (size[1], size[0], 3))
