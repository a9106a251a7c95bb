"""The plumbing: losses, back-pressure, the first error, the end. A stand-in detector sets the speed."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest

from edge_node.analytics.watch import Analysed, Watch, update_all
from edge_node.capture.camera import capture as real_capture
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.live import LiveStore
from edge_node.config.saved.definitions import DefinitionStore
from edge_node.config.settings import EdgeConfig
from edge_node.detect.choosing import Asked, Ready
from edge_node.flow import intake
from edge_node.flow import pipeline as module
from edge_node.flow.pipeline import Pipeline
from edge_node.frames import Detected, Detections, Frame, Tracks
from edge_node.outbox.outbox import Outbox
from edge_node.pictures import U8, Lender
from edge_node.publish.compose import Composer
from edge_node.publish.publisher import Publisher
from edge_node.publish.snapshot_sender import SnapshotSender
from shared.errors import SourceError
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.wire.messages import LineDefinition, ZoneDefinition, ZoneNumbers
from tests.conftest import free_port, wait_until
from tests.edge_node.gpu_decoder import FakeDecoder
from tests.edge_node.gpu_pictures import HostCopier


class StandInDetector:
    """Sees nothing; does with each frame what the test wants."""

    class_names = ("person",)
    limit = 1
    pictures: Lender | None = None

    def __init__(self, each: Callable[[Frame], None] = lambda _: None) -> None:
        self._each = each
        self.seen: list[tuple[str, int]] = []
        self.batches_run: Counter[int] = Counter()
        self.still: Counter[str] = Counter()
        self.looks: dict[str, Counter[str]] = {}

    def ready(self, frame: Frame) -> Ready:
        return Ready(frame, None)

    def detect(self, frames: Iterable[Ready]) -> Iterator[list[Detected]]:
        for ready in frames:
            frame = ready.frame
            if ready.asked is not None:
                ready.asked.answer.set_result((Detections.empty(), {"asked": 1.0}))
                continue
            self._each(frame)
            self.seen.append((frame.camera, frame.seq))
            self.batches_run[1] += 1
            yield [Detected(frame, self.sees(frame), {"inference": 1.0})]

    def sees(self, frame: Frame) -> Detections:
        del frame
        return Detections.empty()

    def ask(self, image: U8, confidence: float) -> Ready:
        return Ready(Frame("", 0, 0, 0, image), None, asked=Asked(confidence))

    def find(self, image: U8, confidence: float) -> tuple[Detections, dict[str, float]]:
        del image, confidence
        return Detections.empty(), {"alone": 1.0}

    def follow(self, detected: Detected, tracks: Tracks, ignored: Detections | None = None) -> None:
        pass


@pytest.fixture
def video(tmp_path: Path) -> str:
    path = tmp_path / "thirty.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 100, (64, 48))
    for _ in range(30):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    return str(path)


class Parts(NamedTuple):
    pipeline: Pipeline
    stop: threading.Event
    publisher: Publisher
    live: LiveStore
    client: Client


def make(cameras: dict[str, CameraSettings], *detectors: StandInDetector) -> Parts:
    config = EdgeConfig(node="n", cameras=cameras, mqtt=MqttSettings(url=f"mqtt://127.0.0.1:{free_port()}"))
    stop = threading.Event()
    client = Client(config.mqtt, name="t")
    outbox = Outbox(client, config.outbox, config.node, config.mqtt.prefix, "s")
    live = LiveStore(config)
    composer = Composer(config.node, "s", detectors[0].class_names)
    publisher = Publisher(client, outbox, SnapshotSender(client), config, live, composer)
    definitions = DefinitionStore(None, cameras)
    pipeline = Pipeline(config, detectors, publisher, live, definitions, stop)  # type: ignore[arg-type]  # a stand-in
    return Parts(pipeline, stop, publisher, live, client)


def test_files_lose_nothing_and_the_pipeline_ends_when_they_do(video: str) -> None:
    detector = StandInDetector()
    cameras = {name: CameraSettings(source=video, pace="fast") for name in ("a", "b")}
    pipeline, _, _, _, client = make(cameras, detector)
    pipeline.start()
    assert pipeline.done.wait(30)
    assert pipeline.join(30) == []
    assert sorted(detector.seen) == [(name, seq) for name in ("a", "b") for seq in range(30)]
    counts = pipeline.overview.metrics().cameras["a"]
    assert (counts.captured, counts.processed, counts.dropped) == (30, 30, 0)
    assert pipeline.error is None
    assert client.dropped["detections"] > 0, "nobody listens: dropped, counted, and never waited for"


def test_a_crossing_in_a_film_s_last_moments_is_published_when_the_film_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feet = (60, 70, 80, 90, 103)  # just beyond the line at last, and less than clear of it

    def capture(camera: str, *_: Any, **__: Any) -> Iterator[Frame]:
        for seq in range(len(feet)):
            yield Frame(camera, seq, 0, seq * 10**8, np.zeros((100, 200, 3), np.uint8), clock="media")

    class Walker(StandInDetector):
        def sees(self, frame: Frame) -> Detections:
            x = feet[frame.seq]
            box = np.array([[x - 10, 30, x + 10, 70]], np.float32)
            return Detections(box, np.full(1, 0.9, np.float32), np.zeros(1, np.int32))

    monkeypatch.setattr(intake, "capture", capture)
    lines = {"middle": LineDefinition(points=((0.5, 1.0), (0.5, 0.0)), band=0.01)}
    pipeline, _, publisher, *_ = make(
        {"a": CameraSettings(source="x.avi", pace="fast", lines=lines)}, Walker()
    )
    pipeline.start()
    assert pipeline.join(30) == []
    newest = publisher.newest("a")
    assert newest is not None
    assert newest.report.numbers["middle"].entered == 1


def test_a_pause_closes_the_stays_of_a_camera_that_gives_no_more_frames(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = threading.Event()

    def capture(camera: str, *_: Any, **__: Any) -> Iterator[Frame]:
        for seq in range(5):
            yield Frame(camera, seq, 0, seq * 10**8, np.zeros((100, 200, 3), np.uint8), clock="media")
        over.wait(60)

    class Standing(StandInDetector):
        def sees(self, frame: Frame) -> Detections:  # noqa: ARG002
            box = np.array([[40, 30, 60, 70]], np.float32)
            return Detections(box, np.full(1, 0.9, np.float32), np.zeros(1, np.int32))

    monkeypatch.setattr(intake, "capture", capture)
    zones = {"all": ZoneDefinition(polygon=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))}
    camera = CameraSettings(source="x.avi", pace="fast", zones=zones)
    pipeline, _, publisher, *_ = make({"a": camera}, Standing())
    pipeline.start()

    def zone() -> ZoneNumbers | None:
        newest = publisher.newest("a")
        return None if newest is None else newest.report.numbers["all"]

    wait_until(lambda: (one := zone()) is not None and one.occupancy == 1)
    pipeline.watches["a"].pauses.set("schedule", "schedule")
    wait_until(lambda: (one := zone()) is not None and (one.paused, one.lost) == ("schedule", 1))
    over.set()
    assert pipeline.join(30) == []


def test_a_picture_that_somebody_asks_about_goes_with_the_cameras_and_alone_when_they_are_over(
    video: str,
) -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    pipeline, stop, *_ = make({"a": CameraSettings(source=video, loop=True)}, StandInDetector())
    assert pipeline.detect(image, 0.5)[1] == {"alone": 1.0}, "nothing runs yet"
    pipeline.start()
    assert pipeline.detect(image, 0.5)[1] == {"asked": 1.0}
    stop.set()
    assert pipeline.join(30) == []
    assert pipeline.detect(image, 0.5)[1] == {"alone": 1.0}
    assert pipeline.overview.metrics().cameras.keys() == {"a"}


def test_who_asks_is_answered_although_the_network_s_thread_ends_with_an_error(
    monkeypatch: pytest.MonkeyPatch, video: str
) -> None:
    def explode(_: Frame) -> None:
        begun.set()
        asked.wait(60)
        raise RuntimeError("the engine is gone")

    def ask(image: U8, confidence: float) -> Ready:
        asked.set()
        return StandInDetector.ask(detector, image, confidence)

    monkeypatch.setattr(module, "_LOOK_S", 0.01)
    begun, asked, detector = threading.Event(), threading.Event(), StandInDetector(explode)
    monkeypatch.setattr(detector, "ask", ask)
    pipeline, *_ = make({"a": CameraSettings(source=video, loop=True)}, detector)
    pipeline.start()
    assert begun.wait(30)
    assert pipeline.detect(np.zeros((48, 64, 3), np.uint8), 0.5)[1] == {"alone": 1.0}
    assert pipeline.join(30) == []


def test_a_stop_ends_an_endless_file_at_once(video: str) -> None:
    pipeline, stop, *_ = make({"a": CameraSettings(source=video, loop=True)}, StandInDetector())
    pipeline.start()
    stop.set()
    assert pipeline.join(30) == []
    assert pipeline.error is None


def test_without_cameras_the_stages_stand_ready_until_the_stop() -> None:
    pipeline, stop, *_ = make({}, StandInDetector())
    pipeline.start()
    assert not pipeline.done.wait(0.05)
    assert pipeline.healthy
    stop.set()
    assert pipeline.join(30) == []
    assert pipeline.done.is_set()


@pytest.mark.parametrize("loop", [False, True], ids=["it ends by itself", "it is stopped"])
def test_a_film_that_ends_is_told_from_one_that_is_stopped(
    video: str, loop: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []
    pipeline, stop, publisher, *_ = make({"a": CameraSettings(source=video, loop=loop)}, StandInDetector())
    monkeypatch.setattr(publisher, "source_ended", ended.append)
    pipeline.start()
    if loop:
        stop.set()
    assert pipeline.join(30) == []
    assert ended == ([] if loop else ["a"])


def test_the_first_error_of_a_stage_ends_all_of_them_and_is_kept(video: str) -> None:
    def explode(frame: Frame) -> None:
        if frame.seq == 3:
            raise RuntimeError("the engine is gone")

    pipeline, stop, *_ = make({"a": CameraSettings(source=video, loop=True)}, StandInDetector(explode))
    pipeline.start()
    assert pipeline.join(30) == []
    assert str(pipeline.error) == "the engine is gone"
    assert stop.is_set()


def test_a_file_that_is_none_ends_the_run_with_its_error(tmp_path: Path) -> None:
    bad = tmp_path / "bad.avi"
    bad.write_text("no video")
    pipeline, *_ = make({"a": CameraSettings(source=str(bad))}, StandInDetector())
    pipeline.start()
    assert pipeline.join(30) == []
    assert isinstance(pipeline.error, SourceError)


def test_frames_of_several_cameras_that_wait_are_tracked_together(
    monkeypatch: pytest.MonkeyPatch, video: str
) -> None:
    """The first are held up until frames of each wait."""

    class Batches(StandInDetector):
        limit = 4

        def __init__(self) -> None:
            super().__init__(lambda _: wait_until(all_have_begun))
            self.followed: list[tuple[str, int]] = []

        def follow(self, detected: Detected, tracks: Tracks, ignored: Detections | None = None) -> None:
            super().follow(detected, tracks, ignored)
            self.followed.append((detected.frame.camera, detected.frame.seq))

    together: list[list[str]] = []

    def recorded(detected: Sequence[Detected], watches: Mapping[str, Watch]) -> list[Analysed]:
        if not together:
            wait_until(lambda: len(detector.seen) >= 6)  # of these, at least four wait for this thread
        together.append([one.frame.camera for one in detected])
        return update_all(detected, watches)

    def all_have_begun() -> bool:
        return all(detector.seen or one.captured for one in pipeline.overview.metrics().cameras.values())

    monkeypatch.setattr(module, "update_all", recorded)
    detector = Batches()
    cameras = {name: CameraSettings(source=video, pace="fast") for name in "abcd"}
    pipeline, *_ = make(cameras, detector)
    pipeline.start()
    assert pipeline.join(30) == []
    assert pipeline.error is None
    assert max(len(set(names)) for names in together) == 4, "one of each camera, or more"
    in_order = list(range(30))
    for name in "abcd":
        assert [seq for camera, seq in detector.followed if camera == name] == in_order


def live(monkeypatch: pytest.MonkeyPatch, release: threading.Event, count: int) -> None:
    """Cameras "live..." give `count` frames as fast as they can, then wait for `release`; others give one."""

    def capture(camera: str, *_: Any, **__: Any) -> Iterator[Frame]:
        for seq in range(count if camera.startswith("live") else 1):
            yield Frame(camera, seq, 0, seq * 10**7, np.zeros((48, 64, 3), np.uint8))
        release.wait(60)

    monkeypatch.setattr(intake, "capture", capture)


def test_a_live_camera_keeps_its_newest_frame_and_counts_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    release, captured = threading.Event(), threading.Event()
    live(monkeypatch, captured, 50)
    detector = StandInDetector(lambda _: (release.wait(60), None)[1])
    pipeline, *_ = make({"live": CameraSettings(source="rtsp://x")}, detector)
    pipeline.start()
    while pipeline.overview.metrics().cameras["live"].captured < 50:
        pass
    release.set()
    captured.set()
    assert pipeline.join(30) == []
    assert detector.seen[-1] == ("live", 49), "the newest one"
    counts = pipeline.overview.metrics().cameras["live"]
    assert counts.dropped == 50 - counts.processed > 40


def test_a_camera_that_came_to_its_end_does_not_make_the_node_ill(
    monkeypatch: pytest.MonkeyPatch, video: str
) -> None:
    release = threading.Event()

    def capture(camera: str, *rest: Any, **also: Any) -> Iterator[Frame]:
        yield from real_capture(camera, *rest, **also)
        if camera == "endless":
            release.wait(60)

    monkeypatch.setattr(intake, "capture", capture)
    cameras = {name: CameraSettings(source=video, pace="fast") for name in ("short", "endless")}
    detector = StandInDetector()
    pipeline, *_ = make(cameras, detector)
    pipeline.start()
    wait_until(lambda: detector.seen.count(("short", 29)) + detector.seen.count(("endless", 29)) == 2)
    assert pipeline.healthy
    release.set()
    assert pipeline.join(30) == []
    assert not pipeline.healthy


@pytest.mark.parametrize("why", [None, "off schedule night"])
@pytest.mark.parametrize("source", ["file", "camera"])
def test_a_paused_camera_is_not_analysed_and_goes_on_when_asked_to(
    monkeypatch: pytest.MonkeyPatch, video: str, source: str, why: str | None
) -> None:
    if source == "camera":

        def filmed(*given: Any, **also: Any) -> Iterator[Frame]:
            return (dataclasses.replace(frame, clock="arrival") for frame in real_capture(*given, **also))

        monkeypatch.setattr(intake, "capture", filmed)
    detector = StandInDetector()
    pipeline, stop, publisher, live, _ = make({"a": CameraSettings(source=video, loop=True)}, detector)
    said: list[tuple[str, ...]] = []
    monkeypatch.setattr(publisher.state, "camera_status", lambda *told: said.append(told[1:]))

    def pause(*, paused: bool) -> None:
        if why is None:
            live.change("a", paused=paused)
        else:
            live.rest("a", "night" if paused else None)

    pipeline.start()
    wait_until(lambda: detector.seen)
    pause(paused=True)
    wait_until(lambda: said[-1] == ("paused", why))
    stages = [one for one in pipeline.overview.stages() if not one.name.startswith("capture")]
    wait_until(lambda: all(one.probe() is None for one in stages))  # nothing is on its way any more
    before = len(detector.seen)
    time.sleep(0.3)
    assert len(detector.seen) == before
    capture = next(one for one in pipeline.overview.stages() if one.name == "capture a")
    if source == "file":
        assert capture.probe() is None, "its thread waits, and does not stand still"
    pause(paused=False)
    wait_until(lambda: len(detector.seen) > before)
    assert said[-1] in (("streaming",), ("streaming", None))  # a loop that begins again says so, too
    stop.set()
    assert pipeline.join(30) == []
    numbers = [seq for _, seq in detector.seen]
    assert (numbers == list(range(len(numbers)))) == (source == "file"), "a file loses nothing meanwhile"


def test_video_is_decoded_into_memory_that_the_camera_s_engine_lends(video: str) -> None:
    class Shelf:
        def __init__(self) -> None:
            self.lent: list[U8] = []

        def lend(self, height: int, width: int) -> U8:
            self.lent.append(np.empty((height, width, 3), np.uint8))
            return self.lent[-1]

    shelf, other = Shelf(), Shelf()
    images: list[U8] = []
    first, second = StandInDetector(lambda frame: images.append(frame.image)), StandInDetector()
    first.pictures, second.pictures = shelf, other
    pipeline, *_ = make({name: CameraSettings(source=video, pace="fast") for name in "ab"}, first, second)
    pipeline.start()
    assert pipeline.join(30) == []
    lent = set(map(id, shelf.lent))
    assert [id(image) in lent for image in images] == [False] + [True] * 29, "the first shows the size"
    assert len(other.lent) > 0


def test_a_camera_that_stalls_does_not_hold_up_another(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    live(monkeypatch, release, 20)
    detector = StandInDetector()
    cameras = {name: CameraSettings(source="rtsp://x") for name in ("live", "stalled")}
    pipeline, *_ = make(cameras, detector)
    pipeline.start()
    while ("live", 19) not in detector.seen:
        assert pipeline.error is None
    release.set()
    assert pipeline.join(30) == []
    assert ("stalled", 0) in detector.seen


def test_cameras_are_dealt_out_to_the_detectors_and_a_slow_one_delays_only_its_own(video: str) -> None:
    release = threading.Event()
    slow, fast = StandInDetector(lambda _: (release.wait(60), None)[1]), StandInDetector()
    cameras = {name: CameraSettings(source=video, pace="fast") for name in "abcd"}
    pipeline, *_ = make(cameras, slow, fast)
    pipeline.start()
    wait_until(lambda: len(fast.seen) == 60)
    assert len(slow.seen) == 0, "it hangs in its first frame"
    assert not pipeline.done.is_set()
    assert pipeline.overview.metrics().stages["look"].waiting > 0
    release.set()
    assert pipeline.done.wait(30)
    assert pipeline.join(30) == []
    everything = [(name, seq) for name in "abcd" for seq in range(30)]
    assert sorted(slow.seen) == [one for one in everything if one[0] in "ac"]
    assert sorted(fast.seen) == [one for one in everything if one[0] in "bd"]
    load = pipeline.overview.metrics()
    assert [load.cameras[name].processed for name in "abcd"] == [30] * 4
    assert load.batches == {"1": 120}
    assert {name: stage.waiting for name, stage in load.stages.items()} == {
        "capture": 0,
        "look": 0,
        "watch": 0,
    }


def test_the_first_error_of_one_detector_ends_the_others_too(video: str) -> None:
    def explode(_: Frame) -> None:
        raise RuntimeError("the GPU is gone")

    cameras = {name: CameraSettings(source=video, loop=True) for name in "ab"}
    pipeline, stop, *_ = make(cameras, StandInDetector(), StandInDetector(explode))
    pipeline.start()
    assert stop.wait(30)
    assert pipeline.join(30) == []
    assert str(pipeline.error) == "the GPU is gone"


def test_frames_that_a_rate_cap_holds_back_are_counted(video: str) -> None:
    pipeline, *_ = make({"a": CameraSettings(source=video, pace="fast", max_fps=25)}, StandInDetector())
    pipeline.start()
    assert pipeline.done.wait(30)
    assert pipeline.join(30) == []
    load = pipeline.overview.metrics()
    assert load.stages["capture"].dropped == 30 - load.cameras["a"].processed > 15


def test_pictures_that_the_gpu_decodes_go_through_the_pipeline_without_being_copied_whole(
    monkeypatch: pytest.MonkeyPatch, video: str
) -> None:
    gpu, copier = FakeDecoder(), HostCopier(encodes=True)
    gpu.copier = copier
    monkeypatch.setattr(intake, "decoder_for", lambda _lent: gpu)
    detector = StandInDetector()
    pipeline, _, publisher, *_ = make({"a": CameraSettings(source=video, pace="fast")}, detector)
    pipeline.start()
    assert pipeline.join(30) == []
    assert pipeline.error is None
    assert [seq for _, seq in detector.seen] == list(range(30))
    newest = publisher.newest("a")
    assert newest is not None
    assert newest.frame.decoding.on == "gpu"
    assert copier.jpegs, "thumbnails are made where the pictures lie"
    assert (0, 0, 64, 48) not in [box for box, _ in copier.parts]
