"""ONNX Runtime: bytes folded into the first convolution, kinds of inputs, batches and providers."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

from edge_node.assets.models import BUILT_IN
from edge_node.assets.names import Provider
from edge_node.backends.interface import Inference, Wanted
from edge_node.backends.onnx import providers
from edge_node.backends.onnx.backend import OnnxBackend
from edge_node.backends.preprocess import PAD_VALUE, InputFormat, Preprocessor
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.decode.families import FAMILIES
from edge_node.pictures import U8
from shared.errors import ModelError
from shared.geometry import F32
from tests.edge_node.backends import networks

EVERYTHING = Wanted(np.arange(80), 0.0, FAMILIES["yolov8"].anchors)
IMAGENET: dict[str, Any] = {"scale": (0.0171, 0.0175, 0.0174), "offset": (-2.118, -2.036, -1.804)}


def pictures(*sizes: tuple[int, int]) -> list[U8]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, 256, (height, width, 3), np.uint8) for width, height in sizes]


def values(inference: Inference, index: int = 0) -> F32:
    return np.asarray(inference.outputs[index][0], np.float32)


def both(path: Path, target: InputFormat, images: list[U8]) -> tuple[OnnxBackend, Inference, Inference]:
    """The same network fed with bytes and with floats."""
    folded, plain = (OnnxBackend(path, fold=fold) for fold in (True, False))
    ours, reference = (backend.submit(images, target, EVERYTHING).collect() for backend in (folded, plain))
    assert not plain.folded
    assert ours.fits == reference.fits
    return folded, ours, reference


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(InputFormat(64, 32), id="rgb"),
        pytest.param(InputFormat(64, 32, rgb=False, scale=(1.0, 1.0, 1.0), fit="corner"), id="bgr, 0 to 255"),
        pytest.param(InputFormat(64, 32, **IMAGENET), id="rgb, standardised: a fourth channel"),
        pytest.param(
            InputFormat(64, 32, rgb=False, fit="stretch", **IMAGENET), id="bgr, standardised, stretched"
        ),
    ],
)
@pytest.mark.parametrize(
    ("shape", "network"),
    [
        pytest.param((1, 3, 32, 64), {"pads": [1, 1, 1, 1], "strides": [2, 2]}, id="the usual stem"),
        pytest.param((1, 3, 32, 64), {}, id="no padding, no stride"),
        pytest.param(
            ("N", 3, "H", "W"),
            {"kernel": (6, 6), "pads": [2, 2, 2, 2], "strides": [2, 2]},
            id="YOLOv5's stem, any size",
        ),
        pytest.param(
            (1, 3, 32, 64), {"pads": [0, 2, 1, 0], "strides": [1, 3], "kernel": (2, 5)}, id="lopsided"
        ),
        pytest.param(
            (1, 3, 32, 64),
            {
                "before": [("Gather", (3,), 1), ("Mul", (1, 3, 1, 1), 4), ("Sub", (1, 3, 1, 1), 2)],
                "pads": [1, 1, 1, 1],
            },
            id="its own colour order, scale and shift",
        ),
        pytest.param(
            (1, 3, 32, 64),
            {"before": [("Div", (), 2), ("Add", (3, 1, 1), 1), ("Mul", (1,), 3)], "pads": [1, 1, 1, 1]},
            id="scalars",
        ),
    ],
)
def test_bytes_give_what_floats_give(
    tmp_path: Path, target: InputFormat, shape: tuple[int | str, ...], network: dict[str, Any]
) -> None:
    path = networks.convolution(tmp_path / "m.onnx", shape, **network)
    images = pictures((100, 40), (30, 90)) if shape[0] == "N" else pictures((100, 40))
    backend, ours, reference = both(path, target, images)
    assert backend.folded
    for index in range(len(images)):
        expected = values(reference, index)
        assert expected.std() > 0.1
        np.testing.assert_allclose(values(ours, index), expected, atol=2e-4 * np.abs(expected).max())


def test_the_built_in_model_takes_bytes_and_says_the_same() -> None:
    images = pictures((640, 480))
    backend, ours, reference = both(BUILT_IN / "nanodet_g.onnx", InputFormat(416, 416), images)
    assert backend.folded
    # Box edges are in pixels, up to 416.
    np.testing.assert_allclose(values(ours), values(reference), atol=2e-3)


@pytest.mark.parametrize("brightest", [255, 200])
@pytest.mark.parametrize("rgb", [True, False])
def test_a_quantised_network_takes_bytes_as_well(tmp_path: Path, brightest: int, rgb: bool) -> None:
    """With a step of 1/255 the bytes are the quantised picture; with another step they are cast first."""
    path = networks.convolution(
        tmp_path / "m.onnx", (1, 3, 32, 64), pads=[1, 1, 1, 1], strides=[2, 2], kernel=(3, 3)
    )
    target = InputFormat(64, 32, rgb=rgb)
    image = np.minimum(pictures((64, 32))[0], brightest).astype(np.uint8)
    image[0, 0] = (0, brightest, 0)

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # untyped
        left = 1

        def get_next(self) -> dict[str, Any] | None:
            self.left -= 1
            return {"images": Preprocessor(target)(image)[0]} if self.left >= 0 else None

    quantize_static(path, tmp_path / "q.onnx", Reader(), per_channel=True, activation_type=QuantType.QUInt8)
    backend, ours, reference = both(tmp_path / "q.onnx", target, [image])
    assert backend.folded
    expected = values(reference)
    step = np.ptp(expected) / 255
    assert step > 0
    # Rounding may take a value to the other side of a step.
    np.testing.assert_allclose(values(ours), expected, atol=1.01 * step)
    assert (np.abs(values(ours) - expected) > 0.01 * step).mean() < 0.01


@pytest.mark.parametrize(
    ("network", "why"),
    [
        pytest.param({"before": [("Pow", (1,), 1)]}, "a step that is not linear", id="power"),
        pytest.param({"before": [("Mul", (1, 1, 32, 64), 1)]}, "a factor for each pixel", id="vignette"),
        pytest.param({"auto_pad": "SAME_UPPER"}, "pads by itself", id="auto_pad"),
        pytest.param({"dilations": [2, 2]}, "its taps lie apart", id="dilated"),
        pytest.param({"in_channels": 1, "out": 9, "group": 3}, "grouped", id="grouped"),
    ],
)
def test_what_cannot_take_bytes_takes_floats(tmp_path: Path, network: dict[str, Any], why: str) -> None:
    path = networks.convolution(tmp_path / "m.onnx", (1, 3, 32, 64), **network)
    backend, ours, reference = both(path, InputFormat(64, 32), pictures((64, 32)))
    assert not backend.folded, why
    np.testing.assert_array_equal(values(ours), values(reference))


def test_weights_in_another_file_stay_there(tmp_path: Path) -> None:
    path = networks.convolution(tmp_path / "m.onnx", (1, 3, 32, 64))
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="m.data", size_threshold=0)
    backend, _, _ = both(path, InputFormat(64, 32), pictures((64, 32)))
    assert not backend.folded


@pytest.mark.parametrize(
    ("shape", "dtype", "last", "expected"),
    [
        pytest.param((1, 3, 8, 16), "float32", False, 1 / 255, id="float32"),
        pytest.param((1, 3, 8, 16), "float16", False, 1 / 255, id="float16"),
        pytest.param((1, 8, 16, 3), "float32", True, 1 / 255, id="float32, channels last"),
        pytest.param((1, 3, 8, 16), "uint8", False, 1, id="bytes: the network scales them itself"),
        pytest.param((1, 8, 16, 3), "uint8", True, 1, id="bytes, channels last, as TensorFlow's exports"),
        pytest.param((3, 8, 16), "float32", False, 1 / 255, id="no batch axis, as torchvision's exports"),
        pytest.param((2, 3, 8, 16), "float32", False, 1 / 255, id="a fixed batch of two, one picture"),
    ],
)
@pytest.mark.parametrize("rgb", [True, False])
def test_every_kind_of_picture_input_gets_the_colours_in_its_order(
    tmp_path: Path, shape: tuple[int, ...], dtype: str, last: bool, expected: float, rgb: bool
) -> None:
    path = networks.mean_colour(tmp_path / "m.onnx", shape, dtype, last=last)
    image = np.full((8, 16, 3), (10, 100, 200), np.uint8)
    backend = OnnxBackend(path)
    found = backend.submit([image], InputFormat(16, 8, rgb=rgb), EVERYTHING).collect()
    assert len(found.outputs) == 1
    order = (200, 100, 10) if rgb else (10, 100, 200)
    np.testing.assert_allclose(values(found).ravel(), np.array(order) * expected, rtol=2e-3)


@pytest.mark.parametrize(("batch", "most"), [pytest.param("N", 16, id="any"), pytest.param(4, 4, id="four")])
def test_pictures_of_a_batch_come_back_in_their_order(tmp_path: Path, batch: int | str, most: int) -> None:
    path = networks.mean_colour(tmp_path / "m.onnx", (batch, 3, 32, 32))
    backend = OnnxBackend(path)
    assert backend.max_batch == most
    target = InputFormat(32, 32, rgb=False, scale=(1.0, 1.0, 1.0))
    for count in (1, 3, 2, 4):
        images = [np.full((8 * (i + 1), 32, 3), 100 * (count % 2) + i, np.uint8) for i in range(count)]
        found = backend.submit(images, target, EVERYTHING).collect()
        assert len(found.outputs) == len(found.fits) == count
        for index, image in enumerate(images):
            share = len(image) / 32  # the rest is bars
            mean = float(image[0, 0, 0]) * share + PAD_VALUE * (1 - share)
            np.testing.assert_allclose(values(found, index).ravel(), [mean] * 3, rtol=1e-5)


def test_an_input_that_is_no_picture_is_one_clear_error(tmp_path: Path) -> None:
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])],
        "vector",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 10])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 10])],
    )
    with pytest.raises(ModelError, match=r"needs a picture input .* it has x float32 \[1, 10\]"):
        OnnxBackend(networks.save(tmp_path / "m.onnx", graph))


def test_a_provider_that_this_build_lacks_is_an_error_unless_it_may_be_done_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = networks.convolution(tmp_path / "m.onnx", (1, 3, 32, 64))
    lacking: Provider = "coreml"  # only on a Mac
    with pytest.raises(
        ModelError, match=r"has no provider 'coreml'; the package onnxruntime on macOS has it"
    ):
        OnnxBackend(path, ModelSettings(providers=(lacking,)))
    with caplog.at_level(logging.WARNING):
        backend = OnnxBackend(path, ModelSettings(providers=(lacking, "cpu"), allow_fallback=True))
    assert backend.device == "cpu"
    assert "continuing without it" in caplog.text


class SessionOnGpuWithoutDriver:
    """If CUDA cannot start, ONNX Runtime raises no error and uses the CPU."""

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]


def test_a_provider_that_does_not_start_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    session = SessionOnGpuWithoutDriver()
    asked: tuple[Provider, ...] = ("cuda", "cpu")
    with pytest.raises(ModelError, match=r"cannot start 'cuda' here.*allow_fallback"):
        providers.started(session, asked, asked, allow_fallback=False)
    for configured, allowed in ((asked, True), ((), False)):
        caplog.clear()
        assert providers.started(session, asked, configured, allow_fallback=allowed) == ("cpu",)
        assert "cannot start 'cuda' here" in caplog.text
