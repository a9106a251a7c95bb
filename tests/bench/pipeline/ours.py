"""Our pipeline, whole, with the detector of `injected.py` in place of the network; see `cost.py`.

    ours.py {bare,whole,live} VIDEO PORT MILLISECONDS FRAMES

"real" for MILLISECONDS is the built-in model on this machine's CPU. Below 3, pictures come from memory.
"""

from __future__ import annotations

import itertools
import json
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from edge_node import interpreter
from edge_node.analytics.watch import Analysed
from edge_node.backends.interface import Array, Inference, ModelFile, Pending, Tensor, Wanted
from edge_node.backends.preprocess import InputFormat, Letterbox
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.live import LiveStore
from edge_node.config.model_settings import ModelSettings
from edge_node.config.publishing import ThumbnailSettings
from edge_node.config.saved.definitions import DefinitionStore
from edge_node.config.settings import EdgeConfig, OutboxSettings
from edge_node.detect import detector as detector_module
from edge_node.detect.detector import Detector
from edge_node.detect.stages import Detect
from edge_node.flow import pipeline as pipeline_module
from edge_node.flow.pipeline import Pipeline
from edge_node.frames import Frame
from edge_node.outbox.outbox import Outbox
from edge_node.pictures import U8, Picture
from edge_node.publish.compose import Composer
from edge_node.publish.publisher import Publisher
from edge_node.publish.snapshot_sender import SnapshotSender
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from tests.bench.pipeline.injected import ANCHORS, HEIGHT, WIDTH, Injected
from tests.bench.pipeline.paced import paced, pictures

WARM = 50
JPEGS_PER_S = 5.0
VIDEO_FPS = 25.0
DECODED_FROM_MS = 3.0
"""With a faster detector, two cores can decode the video alone, but not beside the rest of the pipeline."""


class InjectedBackend:
    """An engine that takes a letterboxed picture as it lies in memory, as ours on the CPU do, and waits.

    Args:
        milliseconds: What one picture takes.
        further_ms: And each further one of a batch.
        max_batch: Most pictures in a batch.
        live: See `Injected`.
    """

    name, device, letterboxes, in_flight, pictures = "injected", "nowhere", False, 2, None
    model = ModelFile(
        (Tensor("images", (1, 3, HEIGHT, WIDTH)),), (Tensor("output", (1, 84, ANCHORS)),), {"imgsz": "640"}
    )

    def __init__(
        self, milliseconds: float, further_ms: float = 0.0, max_batch: int = 1, live: bool = False
    ) -> None:
        self._network = Injected(milliseconds, further_ms, live)
        self.max_batch = max_batch

    def submit(
        self,
        images: Sequence[Picture],
        target: InputFormat,
        wanted: Wanted | None,  # noqa: ARG002 - everything is left to the decoder
    ) -> Pending[Inference]:
        """See `Backend`."""
        fits = [Letterbox.fit(image.shape[1], image.shape[0], target) for image in images]
        begun = self._network.submit(len(images))

        def collect() -> Inference:
            outputs: list[list[Array]] = [[output[0]] for output in Injected.collect(begun)]
            return Inference(outputs, fits, 0.0, begun.seconds * 1e3)

        return Pending(collect)

    def close(self) -> None:
        """Nothing is held."""


def inject(backend: InjectedBackend) -> None:
    """Let every detector made from now on use this engine."""
    vars(detector_module)["choose"] = lambda *_: backend


@contextmanager
def running(
    config: EdgeConfig, also: Callable[[Analysed], None] = lambda _: None
) -> Iterator[tuple[Pipeline, Publisher, Client]]:
    """A pipeline at work, put together as `python -m edge_node` does it; its publisher and connection."""
    interpreter.share()
    stop = threading.Event()
    with ExitStack() as stack:
        detector = stack.enter_context(Detector(config.model))
        client = stack.enter_context(Client(config.mqtt, name="bench"))
        prefix = config.mqtt.prefix
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        events = OutboxSettings(path=str(Path(folder) / "outbox.db"))
        outbox = stack.enter_context(Outbox(client, events, config.node, prefix, "s"))
        snapshots = stack.enter_context(SnapshotSender(client))
        if not client.wait_connected(10):
            raise RuntimeError("no broker")
        live, definitions = LiveStore(config), DefinitionStore(None, config.cameras)
        composer = Composer(config.node, "s", detector.class_names)
        publisher = Publisher(client, outbox, snapshots, config, live, composer, also)
        limit = config.batch.limit or detector.usual_batch
        detect = Detect(detector, config.cameras, live, config.batch.wait_ms / 1e3, limit)
        pipeline = Pipeline(config, [detect], publisher, live, definitions, stop)
        interpreter.settle()
        pipeline.start()
        try:
            yield pipeline, publisher, client
        finally:
            stop.set()
            client.hurry()
            pipeline.join(5)


def cpu_s() -> float:
    """Processor time of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def bare(video: str, milliseconds: str, frames: int) -> dict[str, float]:
    """The detector alone in a loop, with nothing before or behind it.

    The injected one: runs of it, or with two in flight if that is faster. The real one: `Detector.detect` of
    one picture that is in memory, which is letterbox, network and decoding in turn.
    """
    if milliseconds != "real":
        fps, cpu_ms = _loop(Injected(float(milliseconds)).run, frames)
        ahead, _ = _loop(_two_in_flight(Injected(float(milliseconds))), frames)
        return {"fps": max(fps, ahead), "cpu_ms": cpu_ms, "one_by_one_fps": fps}
    image = np.asarray(cv2.VideoCapture(video).read()[1], np.uint8)
    with Detector(ModelSettings()) as detector:
        ready = detector.prepare(image)
        fps, cpu_ms = _loop(lambda: detector.detect(image), frames)
        network, _ = _loop(lambda: detector.submit([ready], [None]).collect(), frames)
    return {"fps": fps, "cpu_ms": cpu_ms, "network_fps": network}


def _two_in_flight(network: Injected) -> Callable[[], object]:
    """A step that begins a run and waits for the one before it."""
    before = network.submit(1)

    def step() -> None:
        nonlocal before
        begun, before = before, network.submit(1)
        network.collect(begun)

    return step


def _loop(step: Callable[[], object], frames: int) -> tuple[float, float]:
    """Steps a second, and processor milliseconds of each."""
    for _ in range(WARM):
        step()
    start, cpu = time.perf_counter(), cpu_s()
    for _ in range(frames):
        step()
    return frames / (time.perf_counter() - start), (cpu_s() - cpu) * 1e3 / frames


def whole(video: str, port: str, milliseconds: str, frames: int) -> dict[str, object]:
    """The video through the pipeline as fast as it goes."""
    speed = 1.0
    if milliseconds != "real":
        inject(InjectedBackend(float(milliseconds)))
        # Thumbnails go by the video's clock, which runs ahead: as many by the clock on the wall as others.
        speed = 1e3 / float(milliseconds) / VIDEO_FPS
        if float(milliseconds) < DECODED_FROM_MS:
            show(pictures(video))
    thumbnail = ThumbnailSettings(fps=JPEGS_PER_S / speed, width=320)
    cameras = {"c": CameraSettings(source=video, pace="fast", loop=True, thumbnail=thumbnail)}
    config = EdgeConfig(node="bench", cameras=cameras, mqtt=MqttSettings(url=f"mqtt://127.0.0.1:{port}"))
    seen: list[tuple[float, float, int]] = []

    def note(item: Analysed) -> None:
        seen.append((time.perf_counter(), cpu_s(), len(item.tracks)))

    with running(config, note) as (pipeline, publisher, client):
        while len(seen) < frames + WARM and pipeline.error is None:
            time.sleep(0.05)
        jpegs, replaced = publisher.thumbnails_sent["c"], sum(publisher.outgoing.dropped.values())
        lost = sum(client.dropped.values())
        seconds = time.perf_counter() - seen[0][0]
        stages = publisher.stopwatch.report()
    (began, cpu, _), (ended, cpu_end, _) = seen[WARM - 1], seen[WARM + frames - 1]
    return {
        "fps": frames / (ended - began),
        "cpu_ms": (cpu_end - cpu) * 1e3 / frames,
        "objects": float(np.mean([row[2] for row in seen[WARM:]])),
        "jpegs_per_s": jpegs / seconds,
        "not_published": replaced + lost,
        "stages_p50_ms": {name: stage.p50 for name, stage in stages.items()},
    }


Source = Callable[[str], Iterator[tuple[U8, int]]]
"""Pictures of a camera, by its name, in real time, and when each was captured, microseconds UTC."""


def film(source: Source) -> None:
    """Let every camera of pipelines made from now on give these pictures."""

    def capture(camera: str, _: object, stop: threading.Event, *__: object, **___: object) -> Iterator[Frame]:
        for seq, (image, captured_us) in enumerate(source(camera)):
            if stop.is_set():
                return
            yield Frame(camera, seq, captured_us * 1000, time.monotonic_ns(), image)

    vars(pipeline_module)["capture"] = capture


def show(kept: Sequence[U8]) -> None:
    """Let every camera of pipelines made from now on give these pictures again and again, as a film does."""

    def capture(camera: str, _: object, stop: threading.Event, *__: object, **___: object) -> Iterator[Frame]:
        for seq in itertools.count():
            if stop.is_set():
                return
            at_ns = round(seq * 1e9 / VIDEO_FPS)
            yield Frame(camera, seq, time.time_ns(), at_ns, kept[seq % len(kept)], clock="media")

    vars(pipeline_module)["capture"] = capture


def live(video: str, port: str, milliseconds: str, frames: int) -> dict[str, object]:
    """A camera at 25 fps; what a subscriber sees of it is measured there."""
    if milliseconds != "real":
        inject(InjectedBackend(float(milliseconds)))
    film(lambda _: paced(video, VIDEO_FPS))
    thumbnail = ThumbnailSettings(fps=JPEGS_PER_S, width=320)
    cameras = {"c": CameraSettings(source="rtsp://paced", thumbnail=thumbnail)}
    config = EdgeConfig(node="bench", cameras=cameras, mqtt=MqttSettings(url=f"mqtt://127.0.0.1:{port}"))
    with running(config) as (pipeline, publisher, _):
        time.sleep((frames + WARM) / VIDEO_FPS)
        if pipeline.error is not None:
            raise pipeline.error
        stages = {name: stage.p50 for name, stage in publisher.stopwatch.report().items()}
    return {"inference_ms": stages["inference"], "stages_p50_ms": stages}


def main() -> None:
    """Measure what is asked for."""
    what, video, port, milliseconds, frames = sys.argv[1:]
    if what == "bare":
        result: dict[str, object] = dict(bare(video, milliseconds, int(frames)))
    else:
        result = {"whole": whole, "live": live}[what](video, port, milliseconds, int(frames))
    print("RESULT " + json.dumps(result))


if __name__ == "__main__":
    main()
