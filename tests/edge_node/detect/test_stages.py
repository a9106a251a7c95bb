from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from edge_node.backends.interface import OutOfMemory, Pending
from edge_node.backends.preprocess import InputFormat, Letterbox
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.live import LiveStore
from edge_node.config.settings import EdgeConfig
from edge_node.detect.choosing import Ready
from edge_node.detect.in_and_out import Input, Output, Outputs
from edge_node.detect.stages import NOBODY, Detect
from edge_node.frames import Detected, Detections, Frame
from edge_node.pictures import U8, Picture
from shared.channel import Channel

FORMAT = InputFormat(64, 64)
FIT = Letterbox.fit(64, 48, FORMAT)
BLANK = np.zeros((48, 64, 3), np.uint8)


class Network:
    """Stands for a loaded detector: finds one box at (1, 2, 3, 4), whose score is the number of the run."""

    class_names, device = ("person",), "a GPU"
    run_s, max_detections = 0.01, 300

    def __init__(self, max_batch: int = 1, room: int = 1000, in_flight: int = 1) -> None:
        self.max_batch, self.room, self.in_flight = max_batch, room, in_flight
        self.runs: list[int] = []
        self.refused: list[int] = []
        self.collected: list[int] = []
        self.begun: Callable[[], None] = lambda: None
        self.shapes: list[tuple[int, ...]] = []
        self.least: list[float | None] = []

    def target(self, *_: int) -> InputFormat:
        return FORMAT

    def prepare(self, image: U8) -> Input:
        return Input(image, FIT, FORMAT, 0.0)

    def submit(self, inputs: Sequence[Input], confidences: Sequence[float | None]) -> Pending[Outputs]:
        assert len(inputs) == len(confidences) <= self.max_batch
        if len(inputs) > self.room:
            self.refused.append(len(inputs))
            raise OutOfMemory("no room")
        self.runs.append(len(inputs))
        self.shapes += [one.image.shape for one in inputs]
        self.least += confidences
        self.begun()
        score = np.array([len(self.runs) / 1000], np.float32)

        def collect() -> Outputs:
            self.collected.append(len(inputs))
            return [Output([score], FIT, FORMAT, 0.1) for _ in inputs], {"inference": 1.0}

        return Pending(collect, done=self.in_flight == 1)

    def detections(self, output: Output) -> Detections:
        box = np.array([[1, 2, 3, 4]], np.float32)
        return Detections(box, np.asarray(output.arrays[0], np.float32), np.zeros(1, np.int32))


def stage(
    network: Network,
    cameras: dict[str, CameraSettings] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Detect:
    cameras = cameras or {"c": CameraSettings(source="x")}
    return Detect(network, cameras, LiveStore(EdgeConfig(cameras=cameras)), clock=clock)  # type: ignore[arg-type]  # a stand-in


def through(detect: Detect, batches: Iterable[list[Frame]]) -> list[Detected]:
    """Frames through all stages, one after the other."""
    return list(detect.decode(detect.infer([detect.ready(frame) for frame in batch] for batch in batches)))


def frame(seq: int, camera: str = "c", image: Picture = BLANK, *, restarted: bool = False) -> Frame:
    return Frame(camera, seq, 0, seq * 40_000_000, image, restarted)


def seen_by_the_network(out: list[Detected]) -> list[int]:
    return [item.frame.seq for item in out if item.timings_ms]


@pytest.mark.parametrize(
    ("every", "seqs"),
    [
        pytest.param(1, [0, 1, 2, 3, 4, 5, 6], id="always"),
        pytest.param(3, [0, 3, 5], id="one in three, counted anew after a restart at 5"),
    ],
)
def test_every_frame_comes_out_in_its_order_and_one_in_n_is_looked_at(every: int, seqs: list[int]) -> None:
    detect = stage(Network(), {"c": CameraSettings(source="x", detect_every=every)})
    out = through(detect, ([frame(seq, restarted=seq == 5)] for seq in range(7)))
    assert [item.frame.seq for item in out] == list(range(7))
    assert [item.frame.seq for item in out if item.detections is not None] == seen_by_the_network(out) == seqs


def test_cameras_that_are_ready_share_a_run() -> None:
    network = Network(max_batch=4)
    detect, channel = stage(network, {name: CameraSettings(source="x") for name in "abcde"}), Channel[Ready]()
    for name in "abcde":
        channel.put_newest(detect.ready(frame(0, name)), name)
    channel.close()
    out = list(detect.decode(detect.infer(detect.batches(channel))))
    assert [item.frame.camera for item in out] == list("abcde")
    assert network.runs == [4, 1]
    assert detect.batches_run == {4: 1, 1: 1}


def test_the_next_batch_is_in_the_network_before_the_last_is_collected() -> None:
    network = Network(in_flight=2)
    detect, channel = stage(network), Channel[Ready](depth=4)
    for seq in range(4):
        channel.put(detect.ready(frame(seq)), "c")
    out = detect.infer(detect.batches(channel))
    seen = []
    for expected in (2, 3, 4):
        seen.append(next(out).frame.seq)
        assert (len(network.runs), len(network.collected)) == (expected, expected - 1)
    seen.append(next(out).frame.seq)  # nothing more comes: the last is not kept waiting
    assert seen == [0, 1, 2, 3]
    assert network.collected == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("pace", "ahead"),
    [
        pytest.param("realtime", 0, id="a live frame would be old when its turn came"),
        pytest.param("fast", 1, id="a film keeps the cores busy"),
    ],
)
def test_a_processor_is_given_the_next_batch_early_only_of_films(
    pace: Literal["realtime", "fast"], ahead: int, tmp_path: Path
) -> None:
    (tmp_path / "a.avi").touch()
    network = Network(in_flight=2)
    network.device = "cpu"
    detect = stage(network, {"c": CameraSettings(source=str(tmp_path / "a.avi"), pace=pace)})
    channel = Channel[Ready](depth=2)
    for seq in range(2):
        channel.put(detect.ready(frame(seq)), "c")
    assert next(detect.infer(detect.batches(channel))).frame.seq == 0
    assert len(network.runs) - len(network.collected) == ahead


@pytest.mark.parametrize(
    ("meanwhile", "in_network"),
    [
        pytest.param("d", 0, id="a smaller batch would better grow"),
        pytest.param("de", 0, id="still smaller"),
        pytest.param("def", 1, id="as large as the one in the network"),
    ],
)
def test_what_comes_meanwhile_goes_along_when_it_is_enough(meanwhile: str, in_network: int) -> None:
    network = Network(max_batch=8, in_flight=2)
    detect, channel = (
        stage(network, {name: CameraSettings(source="x") for name in "abcdef"}),
        Channel[Ready](),
    )

    def come(names: str) -> None:
        for name in names:
            channel.put_newest(detect.ready(frame(0, name)), name)

    def begun() -> None:
        waiting.append(len(network.runs) - 1 - len(network.collected))
        if len(network.runs) == 1:
            come(meanwhile)

    waiting: list[int] = []
    network.begun = begun
    come("abc")
    out = detect.infer(detect.batches(channel))
    names = [next(out).frame.camera for _ in range(3 + len(meanwhile))]
    assert names == list("abc" + meanwhile)
    assert network.runs == [3, len(meanwhile)]
    assert waiting == [0, in_network]


def test_frames_past_the_network_keep_their_place_behind_those_in_it() -> None:
    network = Network(in_flight=2)
    detect = stage(network, {"c": CameraSettings(source="x", detect_every=2)})
    out = through(detect, ([frame(seq)] for seq in range(5)))
    assert [item.frame.seq for item in out] == [0, 1, 2, 3, 4]
    assert seen_by_the_network(out) == [0, 2, 4]


def test_a_picture_that_somebody_asks_about_joins_the_cameras_batch_and_is_answered() -> None:
    network = Network(max_batch=4)
    cameras = {name: CameraSettings(source="x", detect_every=2) for name in "ab"}
    detect, channel = stage(network, cameras), Channel[Ready]()
    for seq in range(2):
        ready = detect.ask(BLANK, 0.7)
        for name in "ab":
            channel.put_newest(detect.ready(frame(seq, name)), name)
        channel.put(ready, NOBODY)
        (found,) = itertools.islice(detect.detect(channel), 1)
        assert [item.frame.camera for item in found] == list("ab"), "the picture is no camera's"
        assert ready.asked is not None
        detections, timings = ready.asked.answer.result(0)
        assert detections.xyxy.tolist() == [[1, 2, 3, 4]]
        assert timings.keys() == {"inference", "decode"}
    assert network.runs == [3, 1]
    assert network.least == [0.1, 0.1, 0.7, 0.7], "its own lowest score"


def test_one_frame_does_not_wait_for_others() -> None:
    network = Network(max_batch=8)
    detect, channel = stage(network), Channel[Ready]()
    channel.put_newest(detect.ready(frame(0)), "c")
    assert len(next(detect.batches(channel))) == 1


def test_memory_that_runs_out_makes_batches_smaller_and_loses_nothing() -> None:
    network, now = Network(max_batch=8, room=3), 0.0
    cameras = {name: CameraSettings(source="x") for name in "abcdefgh"}
    detect = stage(network, cameras, clock=lambda: now)
    out = through(detect, [[frame(0, name) for name in "abcdefgh"]])
    assert [item.frame.camera for item in out] == list("abcdefgh")
    assert network.runs == [2, 2, 2, 2]
    assert network.refused == [8, 4], "a size that was refused is not tried again"
    assert detect.limit == 2
    network.room = 1000
    for _ in range(9):
        now += 61.0  # a minute later there may be room again
        through(detect, [[frame(1, "a")]])
    assert detect.limit == 8


def test_a_single_frame_without_room_is_an_error() -> None:
    with pytest.raises(OutOfMemory):
        through(stage(Network(room=0)), [[frame(0)]])


def test_only_the_region_is_looked_at_and_boxes_are_where_they_are_in_the_picture() -> None:
    network = Network()
    detect = stage(network, {"c": CameraSettings(source="x", region=(0.25, 0.5, 0.75, 1.0))})
    (item,) = through(detect, [[frame(0)]])
    assert network.shapes == [(24, 32, 3)]
    assert item.detections is not None
    assert item.detections.xyxy.tolist() == [[17, 26, 19, 28]]


def test_where_nothing_moves_the_last_look_holds() -> None:
    network = Network()
    detect = stage(network, {"c": CameraSettings(source="x", motion_gate=6)})
    moved = BLANK.copy()
    moved[8:16, 8:16] = 40
    pictures = [BLANK, BLANK, BLANK, moved, moved, BLANK]
    out = through(detect, ([frame(seq, image=image)] for seq, image in enumerate(pictures)))
    assert seen_by_the_network(out) == [0, 3, 5]
    scores = [float(item.detections.score[0]) for item in out if item.detections is not None]
    assert scores == pytest.approx([0.001, 0.001, 0.001, 0.002, 0.002, 0.003])
    assert detect.still == {"c": 3}
