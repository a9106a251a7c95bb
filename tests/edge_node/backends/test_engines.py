"""Every engine on the same pictures: `make test-engines` has the ones that are too large for .venv."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_node.assets.models import BUILT_IN
from edge_node.backends.choose import BackendName
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from edge_node.frames import Detections
from edge_node.pictures import U8
from shared.errors import ModelError
from shared.geometry import iou
from tests.conftest import REPO, SHARED, free_port, wait_for_port
from tests.edge_node.backends import networks

MODEL = BUILT_IN / "nanodet_g.onnx"
NAME = "nanodet_g_416"
"""Every engine can run the built-in model at this size; PyTorch's tracer and the server's model need one."""
MLSERVER = REPO / ".cache" / "mlserver" / "bin" / "mlserver"
PYTORCH_WARNS = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)
HOW = "`make test-engines` makes an environment that has it"


@pytest.fixture(scope="module")
def pictures() -> list[U8]:
    """Photographs if there is test data; and blocks and circles, which any detector fires on."""
    files = sorted((SHARED / "data" / "coco_mini_val" / "images").glob("*.jpg"))[:12]
    found = [np.asarray(cv2.imread(str(file)), np.uint8) for file in files]
    rng = np.random.default_rng(4)
    for width, height in ((640, 480), (1280, 720), (300, 500)):
        image = np.full((height, width, 3), 90, np.uint8)
        for _ in range(12):
            x, y, side, *colour = rng.integers(0, (width, height, 160, 256, 256, 256)).tolist()
            cv2.rectangle(image, (x, y), (x + side, y + side // 2), colour, -1)
            cv2.circle(image, (x, y), side // 3, colour[::-1], -1)
        found.append(image)
    return found


def detect(settings: ModelSettings, pictures: list[U8]) -> list[Detections]:
    with Detector(settings) as detector:
        return [detector.detect(picture)[0] for picture in pictures]


@pytest.fixture(scope="module")
def expected(pictures: list[U8]) -> list[Detections]:
    """Detections by ONNX Runtime on floats, without any engine's own preprocessing."""
    from edge_node.backends.onnx.backend import OnnxBackend

    def open_backend(settings: ModelSettings, index: int) -> OnnxBackend:
        return OnnxBackend(MODEL, settings, index, fold=False)

    with Detector(ModelSettings(name=NAME, confidence=0.25), open_backend=open_backend) as detector:
        found = [detector.detect(picture)[0] for picture in pictures]
    assert sum(len(one) for one in found) >= 3
    return found


def assert_same(found: list[Detections], expected: list[Detections]) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        # A score at the threshold may fall on either side of it.
        for one, other in ((ours, theirs), (theirs, ours)):
            sure = one[one.score >= 0.26]
            overlap = iou(sure.xyxy, other.xyxy) * (sure.class_id[:, None] == other.class_id)
            if not len(sure):
                continue
            assert overlap.max(axis=1).min() >= 0.99
            np.testing.assert_allclose(sure.score, other.score[overlap.argmax(axis=1)], atol=0.01)


def test_onnx_runtime_on_bytes(pictures: list[U8], expected: list[Detections]) -> None:
    assert_same(detect(ModelSettings(name=NAME, confidence=0.25), pictures), expected)


@pytest.fixture(scope="module")
def torch_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch", reason=f"PyTorch is not installed; {HOW}", exc_type=ImportError)
    pytest.importorskip("onnx2torch", reason=f"onnx2torch is not installed; {HOW}", exc_type=ImportError)
    from tests.edge_node.backends import torch_files

    folder = tmp_path_factory.mktemp("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the tracer cannot know
        torch_files.script(MODEL, folder / "nanodet.torchscript")
        torch_files.exported(networks.detector(folder / "cells.onnx"), folder / "cells.pt2")
    return folder


@PYTORCH_WARNS
def test_torchscript(torch_folder: Path, pictures: list[U8], expected: list[Detections]) -> None:
    name = str(torch_folder / "nanodet.torchscript")
    with Detector(ModelSettings(name=name, confidence=0.25)) as detector:
        assert detector.backend_name.startswith("torch ")
        assert detector.class_names[0] == "person"
        found = [detector.detect(picture)[0] for picture in pictures]
    assert_same(found, expected)


@PYTORCH_WARNS
@pytest.mark.parametrize("rectangular", [False, True])
def test_torch_export_of_any_size_and_batch(
    torch_folder: Path, rectangular: bool, pictures: list[U8]
) -> None:
    found = {}
    engines: tuple[tuple[BackendName, str], ...] = (("torch", "cells.pt2"), ("onnxruntime", "cells.onnx"))
    for backend, file in engines:
        settings = ModelSettings(
            name=str(torch_folder / file),
            backend=backend,
            layout="yolov8",
            labels=("a", "b", "c", "d"),
            confidence=0.46,  # brighter than the bars
            rectangular=rectangular,
            input_size=320,
        )
        with Detector(settings) as detector:
            assert detector.max_batch == 16
            assert detector.backend_name.startswith(backend)
            found[backend] = detector.detect_batch(pictures[-3:], [None] * 3)[0]
    assert sum(len(one) for one in found["torch"]) > 8
    assert_same(found["torch"], found["onnxruntime"])


@PYTORCH_WARNS
def test_a_file_that_pytorch_cannot_read_is_one_clear_error(torch_folder: Path) -> None:
    for name, says in (
        ("broken.pt", "is not a TorchScript file"),
        ("broken.pt2", "torch.export cannot load it"),
    ):
        (torch_folder / name).write_bytes(b"not a model")
        with (
            pytest.raises(ModelError, match=says),
            Detector(ModelSettings(name=str(torch_folder / name), backend="torch")),
        ):
            pass


class Server:
    """A real MLServer with the built-in model and one of any size, on ports of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.http, self.grpc = free_port(), free_port()
        serve = {"host": "127.0.0.1", "http_port": self.http, "grpc_port": self.grpc}
        # No worker processes, or a kill would leave them behind.
        serve |= {"metrics_port": free_port(), "parallel_workers": 0}
        serve |= {"grpc_max_message_length": 64_000_000}  # 4 MB are less than a float picture of 640x640
        (folder / "settings.json").write_text(json.dumps(serve))
        self._add("nanodet", MODEL, [1, 3, 416, 416], [1, 84, 3549])
        cells = networks.detector(folder / "cells.onnx")
        self._add("cells", cells, [-1, 3, -1, -1], [-1, 8, -1])
        self._process: subprocess.Popen[bytes] | None = None

    def _add(self, name: str, file: Path, shape: list[int], output: list[int]) -> None:
        folder = self._folder / name
        folder.mkdir()
        document = {
            "name": name,
            "implementation": "tests.edge_node.backends.mlserver_runtime.OnnxModel",
            "parameters": {"uri": str(file), "version": "1"},
            "inputs": [{"name": "images", "datatype": "FP32", "shape": shape}],
            "outputs": [{"name": "output0", "datatype": "FP32", "shape": output}],
        }
        (folder / "model-settings.json").write_text(json.dumps(document))

    def start(self) -> None:
        environment = os.environ | {"PYTHONPATH": str(REPO)}
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(MLSERVER), "start", str(self._folder)],
                env=environment,
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )
        try:
            wait_for_port(self.http, 60)
            wait_for_port(self.grpc, 60)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    pytest.importorskip("tritonclient", reason=f"tritonclient is not installed; {HOW}")
    if not MLSERVER.exists():
        pytest.skip(f"no KServe server in {MLSERVER}; {HOW}")
    server = Server(tmp_path_factory.mktemp("mlserver"))
    server.start()
    yield server
    server.kill()


@pytest.mark.parametrize("kind", ["http", "grpc"])
def test_kserve(server: Server, kind: str, pictures: list[U8], expected: list[Detections]) -> None:
    url = f"{kind}://127.0.0.1:{getattr(server, kind)}/nanodet"
    with Detector(ModelSettings()) as local:
        labels = local.class_names
    settings = ModelSettings(name=url, labels=labels, confidence=0.25, timeout_s=30)
    with Detector(settings) as detector:
        assert detector.backend_name.startswith("mlserver ")
        assert detector.device == f"{kind}://127.0.0.1:{getattr(server, kind)}"
        found = [detector.detect(picture)[0] for picture in pictures[-5:]]
    assert_same(found, expected[-5:])


@pytest.mark.parametrize("kind", ["http", "grpc"])
def test_what_a_kserve_server_refuses_is_one_clear_error(server: Server, kind: str) -> None:
    url = f"{kind}://127.0.0.1:{getattr(server, kind)}/yolo"
    with (
        pytest.raises(ModelError, match=rf"model yolo at {kind}://.*[Mm]odel yolo"),
        Detector(ModelSettings(name=url)),
    ):
        pass


@pytest.mark.parametrize("kind", ["http", "grpc"])
def test_no_kserve_server_is_one_clear_error(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tritonclient", reason=f"tritonclient is not installed; {HOW}")
    monkeypatch.setattr("edge_node.backends.kserve.START_WITHIN_S", 0.5)
    port = free_port()
    with (
        pytest.raises(ModelError, match=f"no answer from {kind}://127.0.0.1:{port} for"),
        Detector(ModelSettings(name=f"{kind}://127.0.0.1:{port}/m", timeout_s=1)),
    ):
        pass


@pytest.mark.parametrize("kind", ["http", "grpc"])
def test_a_kserve_server_that_restarts_is_found_again(server: Server, kind: str, pictures: list[U8]) -> None:
    settings = ModelSettings(
        name=f"{kind}://127.0.0.1:{getattr(server, kind)}/cells",
        layout="yolov8",
        labels=("a", "b", "c", "d"),
        timeout_s=10,
    )
    with Detector(settings) as detector:
        before = detector.detect(pictures[-2])[0]
        server.kill()
        answered = _in_background(lambda: detector.detect(pictures[-2])[0])
        time.sleep(1.0)
        server.start()
        after = answered()
    assert len(before)
    np.testing.assert_array_equal(before.xyxy, after.xyxy)


def _in_background(work: Callable[[], Detections]) -> Callable[[], Detections]:
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(1)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    return lambda: future.result(60)
