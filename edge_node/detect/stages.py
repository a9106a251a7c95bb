"""Turns frames of all cameras into detections: in batches, and without the network where nothing moved."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from edge_node.backends.interface import OutOfMemory, Pending
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.live import LiveStore
from edge_node.config.sources import are_read_fast
from edge_node.detect.choosing import Asked, Choosing, Chosen, Ready
from edge_node.detect.detector import Detector
from edge_node.detect.in_and_out import Input, Outputs
from edge_node.detect.inferred import Inferred, Last, Picture, inferred
from edge_node.detect.tiles.merge import merge, moved
from edge_node.frames import Detected, Detections, Frame, Tracks
from edge_node.pictures import U8, Lender
from shared.channel import Channel, Closed
from shared.wire.stopwatch import Stopwatch

log = logging.getLogger("darner.detect")

_RESTORE_S = 60.0
"""Seconds after memory ran out until batches may have one more picture."""
NOBODY = ""
"""In place of a camera's name, in the frames of pictures that somebody asks about; no camera can have it."""


class Detect:
    """The pipeline's stages between capture and watch.

    `ready` runs in the thread that captured the frame, and `detect` in the network's thread: while that reads
    the outputs of one batch, the engine is busy with the next.

    A batch holds the frames that wait when the network is free: at full load batches fill by themselves, and
    on an idle box no frame waits for another. A frame of a camera with tiles is several pictures.

    Args:
        detector: The network, loaded and warm.
        cameras: Settings by camera.
        live: How often the network runs, the tiles, and the lowest score that counts, by camera.
        fill_s: How long a batch may wait for further frames.
        limit: Maximum number of pictures in a batch; 0: as many as the engine takes.
        clock: Gives the time in seconds; it never goes back.
        lag: How many frames later a frame's tracks are used to choose where to look; 0: as soon as they are
            known.
        stopwatch: Told how old frames were when they were ready, and how long they waited; None: nobody is.

    Attributes:
        class_names: By class id.
        batches_run: Runs of the network, by number of pictures.
        still: Frames that did not go through the network because nothing moved, by camera.
        looks: Parts of frames that went through the network, by camera and what they were for; of cameras
            with tiles.
    """

    def __init__(
        self,
        detector: Detector,
        cameras: Mapping[str, CameraSettings],
        live: LiveStore,
        fill_s: float = 0.0,
        limit: int = 0,
        clock: Callable[[], float] = time.monotonic,
        lag: int = 0,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        self._detector = detector
        self._live, self._stopwatch = live, stopwatch
        self._fill_s, self._clock = fill_s, clock
        self._most = self._limit = min(limit or detector.max_batch, detector.max_batch)
        self.class_names = detector.class_names
        self._shrunk_at = 0.0
        self._recorded = are_read_fast(cameras)
        self._choosing = Choosing(detector, cameras, live, lag)
        self.still, self.looks = self._choosing.still, self._choosing.looks
        self._in_network: deque[Pending[list[Inferred]]] = deque()
        self._newest_size = 0
        self._last: dict[str, Last] = {}
        self.batches_run: Counter[int] = Counter()

    @property
    def limit(self) -> int:
        """Maximum number of pictures in a batch now; fewer than configured while memory is short."""
        return min(self._limit, self._detector.max_batch)

    @property
    def _most_in_flight(self) -> int:
        """Maximum number of batches in the network.

        A batch takes a processor long. A live frame that waited behind one would be old when its turn came,
        and no newer one could replace it.
        """
        detector = self._detector
        return 1 if detector.device == "cpu" and not self._recorded else detector.in_flight

    @property
    def lag(self) -> int:
        """How many frames later a frame's tracks are used; 0: as soon as they are known."""
        return self._choosing.lag

    @property
    def run_s(self) -> float:
        """Seconds that the network took for one picture before the first frame."""
        return self._detector.run_s

    @property
    def pictures(self) -> Lender | None:
        """Memory in which pictures need no copy by the CPU now; see `Backend`."""
        return self._detector.pictures

    def ready(self, frame: Frame) -> Ready:
        """Prepare a frame in the thread that captured it, so that the network's thread need not."""
        return self._choosing.ready(frame)

    def ask(self, image: U8, confidence: float) -> Ready:
        """Prepare a picture of no camera, in the thread of whoever asks; `decode` answers."""
        frame = Frame(NOBODY, 0, time.time_ns(), time.monotonic_ns(), image)
        return Ready(frame, (self._detector.prepare(image),), asked=Asked(confidence))

    def find(self, image: U8, confidence: float) -> tuple[Detections, dict[str, float]]:
        """Detections in a picture, in a run of its own: for when no batches run."""
        return self._detector.detect(image, confidence)

    def choose(self, ready: Ready) -> Chosen:
        """Choose what to do with a camera's next frame; call it once for each frame, in their order."""
        return self._choosing.choose(ready)

    def follow(self, detected: Detected, tracks: Tracks, ignored: Detections | None = None) -> None:
        """Take the tracks after a frame, for where to look next; call it once for each, in their order.

        Detections that masks and filters dropped, `ignored`, deserve no second look.
        """
        self._choosing.follow(detected.frame, tracks, detected.parts, ignored)

    def batches(self, frames: Channel[Ready]) -> Iterator[list[Ready]]:
        """Batches of the frames that wait, each with at most as many as the network takes.

        An empty list asks to wait for the oldest batch in the network. While the network is busy, the next
        batch waits until it is as large as the newest one.
        """
        with contextlib.suppress(Closed):
            while True:
                limit = self.limit
                if not self._in_network:
                    yield frames.take(limit, fill_s=self._fill_s if limit > 1 else 0.0)
                elif len(frames) >= min(limit, self._newest_size):
                    yield frames.take(limit)
                else:
                    yield []

    def detect(self, frames: Channel[Ready]) -> Iterator[list[Detected]]:
        """Take the frames that wait through the network and decode them, batch by batch in their order."""
        for batch in self._inferred(self.batches(frames)):
            yield list(self.decode(batch))

    def infer(self, batches: Iterable[list[Ready]]) -> Iterator[Inferred]:
        """Take all frames through the network or past it; those of one camera keep their order.

        An engine that works by itself gets the next batch before the last one is collected.
        """
        for batch in self._inferred(batches):
            yield from batch

    def _inferred(self, batches: Iterable[list[Ready]]) -> Iterator[list[Inferred]]:
        pending = self._in_network
        for batch in batches:
            if batch:
                if self._stopwatch is not None:
                    _time(batch, self._stopwatch)
                self._newest_size = len(batch)
                pending.append(self.submit([self.choose(ready) for ready in batch]))
            elif pending:
                yield pending.popleft().collect()
            while pending and (pending[0].done or len(pending) >= self._most_in_flight):
                yield pending.popleft().collect()
        while pending:
            yield pending.popleft().collect()

    def decode(self, items: Iterable[Inferred]) -> Iterator[Detected]:
        """The detections of every frame of a camera, in the order of the frames; others are answered."""
        for item in items:
            frame, timings = item.frame, item.timings_ms
            start = time.perf_counter()
            if item.asked is not None:
                found = self._decoded(item).detections
                decode_ms = round((time.perf_counter() - start) * 1e3, 3)
                item.asked.answer.set_result((found, timings | {"decode": decode_ms}))
            elif item.choice == "infer":
                last = self._last[frame.camera] = self._decoded(item)
                decode_ms = round((time.perf_counter() - start) * 1e3, 3)
                yield last.of(frame, timings | {"decode": decode_ms})
            elif item.choice == "repeat":
                yield self._last[frame.camera].of(frame, timings)
            else:
                yield Detected(frame, None, timings)

    def _decoded(self, item: Inferred) -> Last:
        """What was found in a frame, in its pixels."""
        parts = [
            moved(self._detector.detections(output), box[:2])
            for output, box in zip(item.outputs, item.boxes, strict=True)
        ]
        if item.looks is None:
            return Last(parts[0])
        layout = item.looks.layout
        if len(parts) < len(layout.boxes):
            # The other parts are as they were: a camera's first look is at all of them.
            last = self._last[item.frame.camera]
            fresh = dict(zip(item.looks.places, parts, strict=True))
            parts = [fresh.get(place, part) for place, part in enumerate(last.parts)]
        most = self._detector.max_detections
        found = merge(parts, layout.xyxy, layout.area, least=layout.least, whole=layout.whole, most=most)
        return Last(found, item.looks.looked, parts, item.looks)

    def submit(self, frames: Sequence[Chosen]) -> Pending[list[Inferred]]:
        """Give the network the frames that were chosen for it.

        If they are more pictures than a batch takes, they run in several batches.

        Returns:
            All frames in their order, with those that went past the network.

        Raises:
            OutOfMemory: There is no memory for a single picture.
        """
        inputs: list[Input] = []
        least: list[float] = []
        for chosen in frames:
            if chosen.choice == "infer":
                more, asked = self._choosing.inputs(chosen), chosen.ready.asked
                inputs += more
                lowest = (
                    self._live[chosen.ready.frame.camera].confidence if asked is None else asked.confidence
                )
                least += [lowest] * len(more)

        def in_order(pictures: list[Picture]) -> list[Inferred]:
            rest = iter(pictures)
            return [inferred(chosen, [next(rest) for _ in chosen.boxes]) for chosen in frames]

        return self._submit(inputs, least).map(in_order)

    def _submit(self, inputs: list[Input], least: list[float]) -> Pending[list[Picture]]:
        """Give the network pictures; of several batches only the last one stays in flight."""
        done: list[Picture] = []
        while len(inputs) > (limit := self.limit):  # which is smaller after a run without memory
            done += self._run(inputs[:limit], least[:limit]).collect()
            inputs, least = inputs[limit:], least[limit:]
        if not inputs:
            return Pending.of(done)
        last = self._run(inputs, least)
        return last.map(lambda pictures: done + pictures) if done else last

    def _run(self, inputs: list[Input], least: list[float]) -> Pending[list[Picture]]:
        """Give the network a batch; if there is too little memory for it, in smaller batches."""
        count = len(inputs)
        try:
            pending = self._detector.submit(inputs, least)
        except OutOfMemory as error:
            if count == 1:
                raise
            half = count // 2
            self._limit, self._shrunk_at = half, self._clock()
            log.warning("%s; batches have at most %d pictures from now on", error, half)
            return self._submit(inputs, least)
        self.batches_run[count] += 1
        self._grow()

        def pictures(result: Outputs) -> list[Picture]:
            outputs, timings = result
            self._choosing.budget.ran(count, sum(timings.values()))
            return [(output, timings) for output in outputs]

        return pending.map(pictures)

    def _grow(self) -> None:
        """Allow larger batches some time after memory ran out: the program that took it may have ended."""
        if self._limit < self._most and self._clock() - self._shrunk_at > _RESTORE_S:
            self._limit, self._shrunk_at = self._limit + 1, self._clock()


def _time(batch: Iterable[Ready], stopwatch: Stopwatch) -> None:
    """Note what came before the network: capture with its preparation, and the wait for a free network."""
    now_ns = time.monotonic_ns()
    for ready in batch:
        if ready.asked is None:
            captured_ms = max(0, ready.since_ns - ready.frame.born_ns) / 1e6
            stopwatch.add_all({"capture": captured_ms, "wait": (now_ns - ready.since_ns) / 1e6})
