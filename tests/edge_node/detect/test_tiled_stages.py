"""Frames of cameras with tiles through the stages. A stand-in network says what it was given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from edge_node.backends.interface import Pending
from edge_node.backends.preprocess import InputFormat
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.live import LiveStore
from edge_node.config.settings import EdgeConfig
from edge_node.config.tile_settings import TileSettings
from edge_node.detect.choosing import Ready
from edge_node.detect.in_and_out import Input, Output, Outputs
from edge_node.detect.stages import Detect
from edge_node.frames import Detected, Detections, Frame, Tracks
from edge_node.pictures import U8, OnGpu, in_host
from shared.channel import Channel
from tests.edge_node.detect.test_stages import FIT, FORMAT, Network, frame
from tests.edge_node.gpu_pictures import HostCopier, on_gpu

WIDTH, HEIGHT = 640, 480
MARK = (300, 200, 340, 260)
"""Where the object is that the network finds: a white box."""


class Finder(Network):
    """Finds the white box in each picture: the corners that it sees, whole or cut."""

    def submit(self, inputs: Sequence[Input], confidences: Sequence[float | None]) -> Pending[Outputs]:
        pending = super().submit(inputs, confidences)
        pictures = [in_host(one.image) for one in inputs]

        def with_pictures(result: Outputs) -> Outputs:
            _, timings = result
            return [Output([picture], FIT, FORMAT, 0.1) for picture in pictures], dict(timings)

        return pending.map(with_pictures)

    def target(self, *size: int) -> InputFormat:
        del size
        return InputFormat(160, 120)

    def detections(self, output: Output) -> Detections:
        white = np.asarray(output.arrays[0], np.uint8)[:, :, 0] > 200
        rows, columns = white.any(axis=1).nonzero()[0], white.any(axis=0).nonzero()[0]
        if not len(rows):
            return Detections.empty()
        box = np.array([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]], np.float32)
        return Detections(box, np.full(1, 0.8, np.float32), np.zeros(1, np.int32))


def image(mark: tuple[int, int, int, int] = MARK, grey: int = 80) -> U8:
    picture = np.full((HEIGHT, WIDTH, 3), grey, np.uint8)
    left, top, right, bottom = mark
    picture[top:bottom, left:right] = 255
    return picture


def detect(network: Network, lag: int = 0, **settings: object) -> Detect:
    cameras = {"c": CameraSettings(source="x", **settings)}  # type: ignore[arg-type]  # from the tests
    return Detect(network, cameras, LiveStore(EdgeConfig(cameras=cameras)), lag=lag)  # type: ignore[arg-type]  # a stand-in


def through(stage: Detect, frames: Iterable[Frame]) -> list[Detected]:
    return list(stage.decode(stage.infer([stage.ready(one)] for one in frames)))


def boxes(item: Detected) -> list[list[float]]:
    assert item.detections is not None
    found: list[list[float]] = item.detections.xyxy.tolist()
    return found


def nv12(mark: tuple[int, int, int, int] = MARK) -> OnGpu:
    """`image` as a video decoder leaves it."""
    planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    planes[:HEIGHT] = np.where(image(mark)[:, :, 0] == 255, 235, 80)
    return on_gpu(planes, HostCopier())


@pytest.mark.parametrize("tiles", [TileSettings(columns=3, rows=3), TileSettings(runs=4)])
@pytest.mark.parametrize("gate", [0.0, 6.0])
def test_tiles_of_nv12_keep_colours_together_and_boxes_in_their_places(
    tiles: TileSettings, gate: float
) -> None:
    network = Finder()
    stage = detect(network, tiles=tiles, region=(0.131, 0.127, 0.873, 0.871), motion_gate=gate)
    out = through(stage, [frame(seq, image=nv12()) for seq in range(3)])
    found = [boxes(item) for item in out]
    assert found[:2] == [[list(map(float, MARK))]] * 2
    assert found[2] in (found[0], []), "a budget may look elsewhere"
    assert all(side % 2 == 0 for shape in network.shapes for side in shape[:2])


@pytest.mark.parametrize(
    "tiles",
    [
        pytest.param(TileSettings(columns=2, rows=2), id="with the whole picture"),
        pytest.param(TileSettings(columns=2, rows=2, whole=False), id="without"),
        pytest.param(TileSettings(columns=3, rows=3, overlap=0), id="cut by borders without overlap"),
    ],
)
def test_a_grid_finds_an_object_once_where_it_is_in_the_frame(tiles: TileSettings) -> None:
    network = Finder()
    (item,) = through(detect(network, tiles=tiles), [frame(0, image=image())])
    assert boxes(item) == [list(MARK)]
    assert sum(network.runs) == tiles.pictures
    assert item.looked is None, "nothing was left out"


@pytest.mark.parametrize(("max_batch", "runs"), [(1, [1] * 5), (2, [2, 2, 1]), (8, [5])])
@pytest.mark.parametrize("in_flight", [1, 2])
def test_the_parts_of_a_frame_run_in_as_few_batches_as_the_engine_allows(
    max_batch: int, runs: list[int], in_flight: int
) -> None:
    network = Finder(max_batch=max_batch, in_flight=in_flight)
    stage = detect(network, tiles=TileSettings(columns=2, rows=2))
    out = through(stage, [frame(seq, image=image()) for seq in range(2)])
    assert [boxes(item) for item in out] == [[list(MARK)]] * 2
    assert network.runs == runs * 2
    assert out[0].timings_ms["inference"] == len(runs), "all runs that the frame was in"
    assert stage.batches_run == {size: 2 * runs.count(size) for size in set(runs)}
    assert stage.looks == {"c": {"grid": 8, "whole": 2}}


def test_frames_decoded_ahead_of_their_tracks_keep_what_each_of_their_own_looks_showed() -> None:
    stage = detect(Finder(max_batch=8), tiles=TileSettings(runs=2), detect_every=2)
    shown = [image(mark=(200 + 40 * seq, 200, 240 + 40 * seq, 260)) for seq in range(3)]
    out = through(stage, [frame(seq, image=shown[seq]) for seq in range(3)])
    left = [sorted({float(box) for part in item.parts for box in part.xyxy[:, 0]}) for item in out]
    assert left == [[200.0], [], [280.0]], "a frame that was skipped shows nothing new"


def test_memory_that_runs_out_loses_no_part() -> None:
    network = Finder(max_batch=8, room=2)
    (item,) = through(detect(network, tiles=TileSettings(columns=2, rows=2)), [frame(0, image=image())])
    assert boxes(item) == [list(MARK)]
    assert max(network.runs) <= 2
    assert sum(network.runs) == 5


def test_cameras_with_tiles_and_without_share_batches() -> None:
    network = Finder(max_batch=8)
    cameras = {
        "a": CameraSettings(source="x", tiles=TileSettings(columns=2, rows=1)),
        "b": CameraSettings(source="x"),
        "c": CameraSettings(source="x", detect_every=2),
    }
    stage = Detect(network, cameras, LiveStore(EdgeConfig(cameras=cameras)))  # type: ignore[arg-type]  # a stand-in
    batches = [[stage.ready(frame(seq, name, image())) for name in "abc"] for seq in range(2)]
    out = list(stage.decode(stage.infer(batches)))
    assert [item.frame.camera for item in out] == list("abcabc")
    assert network.runs == [5, 4]
    assert [item.detections is None for item in out] == [False] * 5 + [True]
    assert all(boxes(item) == [list(MARK)] for item in out[:5])


def test_a_still_tile_repeats_what_was_found_there() -> None:
    network = Finder()
    stage = detect(network, tiles=TileSettings(columns=2, rows=2, overlap=0, whole=False), motion_gate=8)
    moved = image()
    moved[400:, :40] = 160
    out = through(stage, [frame(seq, image=one) for seq, one in enumerate([image(), image(), moved])])
    assert [boxes(item) for item in out] == [[list(MARK)]] * 3
    assert len(network.runs) == 4 + 0 + 1, "the tile in which something moved"
    assert stage.still == {"c": 1}
    assert stage.looks["c"] == {"grid": 5}


def test_tiles_lie_in_the_region_of_interest() -> None:
    network = Finder()
    region = (0.25, 0.25, 0.75, 0.75)
    for tiles in (TileSettings(columns=2, rows=2), TileSettings(runs=3)):
        network.shapes.clear()
        (item,) = through(detect(network, tiles=tiles, region=region), [frame(0, image=image())])
        assert max(shape[:2] for shape in network.shapes) == (HEIGHT // 2, WIDTH // 2)
        assert boxes(item) == [list(MARK)]
        if item.looked is not None:
            low, high = item.looked.xyxy[:, :2], item.looked.xyxy[:, 2:]
            assert (low >= (WIDTH / 4, HEIGHT / 4)).all()
            assert (high <= (WIDTH * 0.75, HEIGHT * 0.75)).all()


def test_a_budget_is_kept_and_the_tracker_is_told_where_the_network_looked() -> None:
    network = Finder()
    stage = detect(network, tiles=TileSettings(runs=3))
    for seq in range(5):
        network.runs.clear()
        (item,) = through(stage, [frame(seq, image=image())])
        assert item.looked is not None
        assert 1 <= len(item.looked) == sum(network.runs) <= 3
        stage.follow(item, Tracks.empty())
    assert sum(stage.looks["c"].values()) == 15


def test_tiles_change_while_the_node_runs() -> None:
    network = Finder()
    configs = [
        EdgeConfig(cameras={"c": CameraSettings(source="x", tiles=tiles)})
        for tiles in (None, TileSettings(columns=2, rows=2), TileSettings(runs=2), None)
    ]
    live = LiveStore(configs[0])
    stage = Detect(network, configs[0].cameras, live)  # type: ignore[arg-type]  # a stand-in
    counts = []
    for seq, config in enumerate(configs):
        live.reconfigure(configs[max(0, seq - 1)], config)
        network.runs.clear()
        (item,) = through(stage, [frame(seq, image=image())])
        assert boxes(item) == [list(MARK)]
        counts.append(sum(network.runs))
    assert counts == [1, 5, 2, 1]


def test_a_frame_prepared_for_a_grid_survives_a_change_of_the_grid() -> None:
    network = Finder()
    configs = [
        EdgeConfig(cameras={"c": CameraSettings(source="x", tiles=TileSettings(columns=n))}) for n in (2, 3)
    ]
    live = LiveStore(configs[0])
    stage = Detect(network, configs[0].cameras, live)  # type: ignore[arg-type]  # a stand-in
    ready = stage.ready(frame(0, image=image()))
    live.reconfigure(*configs)
    (item,) = stage.decode(stage.infer([[ready]]))
    assert boxes(item) == [list(MARK)]
    assert sum(network.runs) == 4


def test_a_camera_with_tiles_takes_no_more_than_its_share_of_a_busy_network() -> None:
    cameras = {"a": CameraSettings(source="x", tiles=TileSettings(runs=4)), "b": CameraSettings(source="x")}
    stage = Detect(Finder(), cameras, LiveStore(EdgeConfig(cameras=cameras)))  # type: ignore[arg-type]  # a stand-in
    channel: Channel[Ready] = Channel(depth=100, cost=lambda ready: ready.cost)
    for seq in range(100):
        for name in "ab":
            channel.put(stage.ready(frame(seq, name, image())), name)
    taken = [channel.get().frame.camera for _ in range(50)]
    assert taken.count("b") == pytest.approx(4 * taken.count("a"), abs=4)
