"""What a node has collected, and a training that takes no time."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper

from optimization.training import lineage
from optimization.training.nightly.night import Watched
from optimization.training.nightly.work import Bounds, Outcome
from shared import collected

HOUR_US = 3_600_000_000


def collect(folder: Path, count: int, first: int = 0) -> list[Path]:
    """Pictures as a node keeps them, ten minutes apart."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number in range(first, first + count):
        captured_us = 1_700_000_000_000_000 + number * HOUR_US // 6
        path = folder / collected.file_name(captured_us, number)
        said = collected.Collected(
            version=1, node="box", camera="yard", session="s", seq=number, captured_us=captured_us,
            reasons=("new_scene",), size=(32, 24), light=0.5, boxes=(),
            model=collected.Seeing(name="m"),
        )  # fmt: skip
        collected.sidecar(path).write_bytes(collected.serialise(said))
        cv2.imwrite(str(path), np.full((24, 32, 3), number % 256, np.uint8))
        made.append(path)
    return made


def label(folder: Path, pictures: Sequence[Path], objects: int = 1) -> None:
    """Labels as people write them: COCO, and boxes in so many of the first pictures."""
    document = {
        "images": [
            {"id": number, "file_name": str(path.relative_to(folder)), "width": 32, "height": 24}
            for number, path in enumerate(pictures, 1)
        ],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [
            {"id": number, "image_id": number, "category_id": 1, "bbox": [2, 2, 10, 12]}
            for number in range(1, objects + 1)
        ],
    }
    (folder / collected.ANNOTATIONS).write_text(json.dumps(document))


def model(path: Path, weight: float, parent: Path | None = None) -> Path:
    """A file in ONNX format with one weight; with a parent, it says so as `adapt` does."""
    wanted = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    given = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"])],
        "g",
        [wanted],
        [given],
        [helper.make_tensor("w", TensorProto.FLOAT, [1], [weight])],
    )
    made = helper.make_model(graph)
    if parent is not None:
        lineage.note(made, parent, "d" * 64, "adapt")
    onnx.save(made, path)
    return path


def watched(tmp_path: Path, **more: Any) -> Watched:
    out = tmp_path / "models" / "yard.onnx"
    out.parent.mkdir(exist_ok=True)
    given = {"collected": tmp_path / "yard", "model": str(out), "out": out, "teachers": ("self",)}
    return Watched(**{**given, **more})


@dataclass
class Training:
    """Stands for the training, which `test_work.py` and the tests with PyTorch run in earnest.

    Attributes:
        weight: Of the model that it makes; None: the old one is as good.
        why: It fails for this reason.
        asked: The options of each call, as a mapping.
        pictures: The names of the pictures of each call.
        labelled: How many boxes the labels of each call have.
    """

    weight: float | None = 2.0
    why: str | None = None
    asked: list[dict[str, str]] = field(default_factory=list)
    pictures: list[list[str]] = field(default_factory=list)
    labelled: list[int] = field(default_factory=list)

    def __call__(
        self,
        options: Sequence[str],
        result: Path,  # noqa: ARG002 - as `work.adapt`
        bounds: Bounds,  # noqa: ARG002 - likewise
        stop: threading.Event,  # noqa: ARG002 - likewise
    ) -> Outcome:
        given = dict(zip(options[::2], options[1::2], strict=True))
        self.asked.append(given)
        self.pictures.append(sorted(path.name for path in Path(given["--pictures"]).iterdir()))
        if "--labels" in given:
            self.labelled.append(len(json.loads(Path(given["--labels"]).read_text())["annotations"]))
        if self.why is not None:
            return Outcome(None, self.why)
        out = Path(given["--out"])
        if self.weight is not None:
            model(out, self.weight, Path(given["--model"]))
        why = "AP 40.0 -> 43.0" if self.weight is not None else "no better: AP 40.0 -> 40.1"
        figures = {"before": 40.0, "after": 43.0, "low": 1.0, "high": 5.0}
        return Outcome({"written": str(out) if self.weight else None, "why": why, "verdict": figures}, None)
