"""Ultralytics' own preprocessing and NMS, in a virtual environment and process of their own, over JSON lines.

The same file is both ends, as in `tracker_peers.py`. Ultralytics is under AGPL-3.0: it is installed for this
measurement only, and nothing of it is part of Darner.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script
from tests.bench.conversation import Asking, answer_all

PACKAGE = "ultralytics==8.4.190"


class Ultralytics:
    """The process with Ultralytics; `with` starts and ends it. It has one thread, because ours has one."""

    def __enter__(self) -> Ultralytics:
        from tests.bench.tracker.peers import environment

        self._settings = tempfile.TemporaryDirectory()
        quiet = {"YOLO_CONFIG_DIR": self._settings.name, "YOLO_VERBOSE": "false", "YOLO_OFFLINE": "true"}
        command = [str(environment("ultralytics", PACKAGE)), "-W", "ignore", __file__]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | quiet
        )
        self._asking = Asking(self._process)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        self._settings.cleanup()

    def ask(self, task: str, array: Path, repeats: int, **options: float) -> tuple[list[float], Path]:
        """Run one step again and again.

        Args:
            task: "preprocess" of a frame ``(H, W, 3)``, or "nms" of an output ``(1, 84, N)``.
            array: Its .npy file.
            repeats: How often.
            options: Of the task.

        Returns:
            Seconds of each run, and a .npy file of the last result.
        """
        result = Path(self._settings.name) / "result.npy"
        asked = {"task": task, "array": str(array), "repeats": repeats, "result": str(result), **options}
        return self._asking.ask(**asked), result


def _work() -> None:
    import cv2
    import numpy as np
    import torch
    import torchvision  # noqa: F401 - Ultralytics uses its compiled NMS when it is loaded
    from ultralytics.utils.nms import non_max_suppression

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    predictor = _predictor()

    def measure(task: dict[str, Any]) -> list[float]:
        array = np.load(task["array"])
        output = torch.from_numpy(array) if task["task"] == "nms" else None
        seconds = []
        for _ in range(task["repeats"]):
            start = time.perf_counter()
            if output is None:
                result = predictor.preprocess([array])
            else:
                result = non_max_suppression(output, task["confidence"], task["iou"], max_det=300)[0]
            seconds.append(time.perf_counter() - start)
        np.save(task["result"], result.numpy())
        return seconds

    answer_all(measure)


def _predictor() -> Any:
    """Ultralytics' predictor as for a 640x640 ONNX model, without a model."""
    from types import SimpleNamespace

    import torch
    from ultralytics.models.yolo.detect import DetectionPredictor

    predictor = DetectionPredictor(overrides={"imgsz": 640, "device": "cpu", "verbose": False, "save": False})
    predictor.model = SimpleNamespace(pt=False, fp16=False, stride=32, dynamic=False, format="onnx")
    predictor.device, predictor.imgsz = torch.device("cpu"), [640, 640]
    return predictor


if __name__ == "__main__":
    _work()
