from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from edge_node.backends.interface import Pending
from edge_node.batch.parallel import ahead, inferred
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.live import LiveStore
from edge_node.config.settings import EdgeConfig
from edge_node.config.tile_settings import TileSettings
from edge_node.detect.choosing import Ready
from edge_node.detect.in_and_out import Input, Outputs
from edge_node.detect.stages import Detect
from edge_node.frames import Frame, Tracks
from shared.errors import SourceError
from tests.edge_node.detect.test_stages import Network, frame
from tests.edge_node.detect.test_tiled_stages import Finder


class Slow(Network):
    """Takes a different time for each run, and notes how many run at the same time."""

    running, most = 0, 0
    lock = threading.Lock()

    def submit(self, inputs: Sequence[Input], confidences: Sequence[float | None]) -> Pending[Outputs]:
        with Slow.lock:
            Slow.running += 1
            Slow.most = max(Slow.most, Slow.running)
        time.sleep(random.uniform(0, 0.01))
        with Slow.lock:
            Slow.running -= 1
            return super().submit(inputs, confidences)


def stages(networks: Sequence[Network], **settings: float) -> list[Detect]:
    cameras = {"c": CameraSettings(source="x", **settings)}  # type: ignore[arg-type]  # from a table
    live = LiveStore(EdgeConfig(cameras=cameras))
    return [Detect(network, cameras, live) for network in networks]  # type: ignore[arg-type]  # a stand-in


def test_frames_come_out_in_their_order_however_long_each_takes() -> None:
    Slow.most = 0
    networks = [Slow() for _ in range(4)]
    out = list(inferred((frame(seq) for seq in range(60)), stages(networks)))
    assert [item.frame.seq for item in out] == list(range(60))
    assert all(len(item.outputs) == 1 for item in out)
    assert sum(len(network.runs) for network in networks) == 60
    assert 1 < Slow.most <= 4, "several at a time, each network in one thread"


@pytest.mark.parametrize(
    ("every", "room", "runs"),
    [
        pytest.param(1, 1000, [4, 4, 4, 4, 4], id="full batches"),
        pytest.param(3, 1000, [3, 3, 1], id="one frame in three: few wait for a batch to be full"),
        pytest.param(1, 2, [2] * 10, id="memory for two: smaller batches, and nothing is lost"),
    ],
)
def test_engines_with_batches_get_full_ones(every: int, room: int, runs: list[int]) -> None:
    network = Network(max_batch=4, room=room)
    out = list(inferred((frame(seq) for seq in range(20)), stages([network], detect_every=every)))
    assert [item.frame.seq for item in out] == list(range(20))
    seen = [item.frame.seq for item in out if item.choice == "infer"]
    # Counted from the first: the same as one after the other.
    one_by_one = stages([Network()], detect_every=every)[0]
    assert seen == [seq for seq in range(20) if one_by_one.choose(Ready(frame(seq), None)).choice == "infer"]
    assert sorted(network.runs, reverse=True) == runs


def broken() -> Iterator[Frame]:
    yield frame(0)
    raise SourceError("the file is damaged")


def test_an_error_of_the_source_arrives_behind_what_came_before_it() -> None:
    out: list[int] = []
    with pytest.raises(SourceError, match="the file is damaged"):
        out.extend(item.seq for item in ahead(broken(), 4))
    assert out == [0]


def test_an_error_of_a_network_ends_the_run_and_its_threads() -> None:
    class Broken(Network):
        def submit(self, *_: object) -> Pending[Outputs]:
            raise RuntimeError("the engine is gone")

    before = set(threading.enumerate())
    with pytest.raises(RuntimeError, match="the engine is gone"):
        list(inferred((frame(seq) for seq in range(60)), stages([Broken(), Network()])))
    assert set(threading.enumerate()) <= before


def test_whoever_stops_early_leaves_no_thread_behind() -> None:
    made = []

    def endless() -> Iterator[Frame]:
        for seq in range(10_000):
            made.append(seq)
            yield frame(seq)

    before = set(threading.enumerate())
    source = ahead(endless(), 4)
    out = inferred(source, stages([Network(), Network()]))
    assert next(out).frame.seq == 0
    out.close()
    source.close()
    assert set(threading.enumerate()) <= before
    assert len(made) < 20, "and does not read the rest"


def looks_of(networks: int, lag: int) -> list[Any]:
    """Where networks that take irregular times look, when tracks decide it."""
    rng = np.random.default_rng(1)
    pictures = [np.full((480, 640, 3), 80, np.uint8) for _ in range(30)]
    for seq, picture in enumerate(pictures):
        picture[200:230, 10 * seq : 10 * seq + 20] = 255
    delays = rng.uniform(0, 0.003, 1000).tolist()

    class Jittery(Finder):
        def submit(self, *args: Any) -> Pending[Outputs]:
            time.sleep(delays.pop())
            return super().submit(*args)

    camera = CameraSettings(source="x", tiles=TileSettings(runs=3))
    live = LiveStore(EdgeConfig(cameras={"c": camera}))
    detects = [Detect(Jittery(), {"c": camera}, live, lag=lag) for _ in range(networks)]  # type: ignore[arg-type]  # a stand-in
    looks: list[Any] = []
    for item in detects[0].decode(
        inferred((frame(seq, image=picture) for seq, picture in enumerate(pictures)), detects)
    ):
        assert item.looked is not None
        assert item.detections is not None
        looks.append(item.looked.xyxy.tolist())
        found = item.detections
        count = len(found)
        detects[0].follow(
            item,
            Tracks(
                found.xyxy,
                found.score,
                found.class_id,
                np.arange(count, dtype=np.int64),
                np.ones(count, np.float32),
                np.full((count, 2), (250, 0), np.float32),
                np.zeros(count, np.bool_),
            ),
        )
    assert len(looks) == 30
    return looks


def test_where_the_network_looks_depends_on_no_timing() -> None:
    """The tracks that decide it for a frame are those of a fixed number of frames before."""
    alone = looks_of(1, 4)
    assert looks_of(2, 4) == alone
    assert looks_of(5, 4) == alone
