"""A network takes another one's place while batches are under way: none is lost, the old one is released."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_node.backends.interface import Inference, Pending
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from edge_node.pictures import U8
from shared.errors import ModelError
from tests.edge_node.backends import networks
from tests.edge_node.detect.test_detector import Beside

NAMES = '["bright", "a", "b", "c"]'


def settings(path: Path, names: str = NAMES, size: str = "256") -> ModelSettings:
    file = networks.detector(path, names=names, imgsz=size)
    return ModelSettings(name=str(file), layout="yolov8", confidence=0.3)


class Closing(Beside):
    """An engine that knows whether it is closed, and refuses batches from then on."""

    closed, submitted = False, 0

    def submit(self, *given: Any) -> Pending[Inference]:
        self.submitted += 1
        return super().submit(*given)

    def close(self) -> None:
        self.closed = True
        super().close()


def spots() -> U8:
    rng = np.random.default_rng(0)
    return np.repeat(np.where(rng.random((256, 256, 1)) > 0.02, 255, 0), 3, axis=2).astype(np.uint8)


def test_batches_come_back_from_the_network_that_they_are_in(tmp_path: Path) -> None:
    one = settings(tmp_path / "one.onnx")
    engines = [Closing(Path(one.name)) for _ in range(2)]
    picture = spots()
    with Detector(one, open_backend=lambda *_: engines[0]) as detector:
        newer = Detector(one, open_backend=lambda *_: engines[1]).__enter__()
        expected = detector.detect(picture)[0].xyxy
        assert len(expected)
        waiting = detector.submit([detector.prepare(picture)], [None])
        exchange = threading.Thread(target=detector.take_over, args=(newer,))
        exchange.start()
        for _ in range(20):  # as the pipeline does, whatever network it is
            following = detector.submit([detector.prepare(picture)], [None])
            found = detector.detections(waiting.collect()[0][0])
            np.testing.assert_array_equal(found.xyxy, expected)
            waiting = following
        waiting.collect()
        exchange.join()
        assert (engines[0].closed, engines[1].closed) == (True, False)
        assert len(detector.detect(picture)[0])
    assert engines[1].closed


def test_the_old_network_is_released_once_its_batches_are_collected_and_gets_no_more(tmp_path: Path) -> None:
    one = settings(tmp_path / "one.onnx")
    engines = [Closing(Path(one.name)) for _ in range(2)]
    with Detector(one, open_backend=lambda *_: engines[0]) as detector:
        newer = Detector(one, open_backend=lambda *_: engines[1]).__enter__()
        prepared, before = [detector.prepare(spots())], engines[0].submitted
        both = [detector.submit(prepared, [None]) for _ in range(2)]
        third = threading.Thread(target=lambda: detector.submit(prepared, [None]).collect())
        third.start()  # and waits for a place in the old network
        third.join(0.1)
        exchange = threading.Thread(target=detector.take_over, args=(newer,))
        exchange.start()
        exchange.join(0.1)
        assert (exchange.is_alive(), engines[0].closed) == (True, False)
        for pending in both:
            pending.collect()
        third.join(30)
        exchange.join(30)
        assert (engines[0].closed, engines[0].submitted) == (True, before + 2)


def test_the_lineage_is_that_of_the_file_that_runs(tmp_path: Path) -> None:
    one, other = settings(tmp_path / "one.onnx"), settings(tmp_path / "two.onnx", '["bright","a","b","c"]')
    with Detector(one) as detector:
        before = detector.lineage.sha256
        newer = Detector(other).__enter__()
        after = newer.lineage.sha256
        detector.take_over(newer)
        assert before != after
        assert detector.lineage.sha256 == after


@pytest.mark.parametrize(
    ("names", "size", "says"),
    [
        ('["bright", "a", "b", "d"]', "256", "has other classes"),
        (NAMES, "320", "takes 320x320, not 256x256"),
    ],
)
def test_what_trackers_and_zones_could_not_follow_is_refused(
    tmp_path: Path, names: str, size: str, says: str
) -> None:
    one, other = settings(tmp_path / "one.onnx"), settings(tmp_path / "two.onnx", names, size)
    with Detector(one) as detector, Detector(other) as newer:
        with pytest.raises(ModelError, match=f"{says}.*; restart the node"):
            detector.take_over(newer)
        assert detector.class_names[3] == "c"
        detector.detect(spots())
