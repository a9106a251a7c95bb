"""On a GPU: the kernels, CUDA graphs, batches in flight, and ONNX Runtime on the same buffers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_node.assets.models import BUILT_IN
from edge_node.assets.names import Layout
from edge_node.backends.cuda.device import Buffer, Device, Pinned
from edge_node.backends.cuda.graph import CaptureError, CudaGraph
from edge_node.backends.cuda.kernels import JOB, Kernels, format_bytes
from edge_node.backends.cuda.runner import CudaRunner
from edge_node.backends.cuda.slots import Shape
from edge_node.backends.cuda.upload import Source, job
from edge_node.backends.interface import Inference, OutOfMemory, Wanted
from edge_node.backends.onnx.on_cuda import CudaOnnxBackend
from edge_node.backends.preprocess import InputFormat, Letterbox, Preprocessor
from edge_node.detect.decode.candidates import candidates
from edge_node.detect.decode.families import FAMILIES
from edge_node.pictures import U8, OnGpu, Picture
from shared.errors import ModelError
from tests.conftest import SHARED
from tests.edge_node.backends.cuda.outputs import (
    DECODED,
    anchors_of,
    arranged,
    assert_equal,
    crowd,
    in_picture,
    on_host,
    outputs,
)
from tests.edge_node.backends.cuda.test_kernels import (
    SIZES,
    TARGETS,
    expected,
    levels,
    nv12,
    picture,
)
from tests.edge_node.backends.networks import convolution, save
from tests.edge_node.gpu_pictures import NoCopier


@pytest.fixture
def kernels(gpu: Device) -> Iterator[Kernels]:
    with gpu.current():
        yield Kernels(gpu)


def letterbox(
    gpu: Device, kernels: Kernels, images: list[U8], target: InputFormat, dtype: str
) -> npt.NDArray[Any]:
    shape = (len(images), 3, target.height, target.width)
    out = np.full(shape, np.nan, dtype)
    pinned = [Pinned(gpu, image.nbytes) for image in images]
    jobs = []
    for image, memory in zip(images, pinned, strict=True):
        memory.array[:] = image.ravel()
        source = Source.of(image, lambda _array: None)
        fit = Letterbox.fit(source.width, source.height, target)
        jobs.append(job(source, memory.address, source.pitch, fit))
    table = np.array(jobs, JOB)
    buffers = [Buffer(gpu, array.nbytes) for array in (table, out)]
    for buffer, array in zip(buffers, (table, out), strict=True):
        gpu.driver.memcpy_htod(buffer.address, array)
    stream = gpu.driver.Stream()
    addresses = [buffer.address for buffer in buffers]
    kernels.letterbox(addresses[0], addresses[1], shape, dtype, format_bytes(target), stream)
    stream.synchronize()
    gpu.driver.memcpy_dtoh(out, addresses[1])
    for memory in pinned:
        memory.free()
    for buffer in buffers:
        buffer.free()
    return out


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
def test_the_letterbox_gives_what_the_cpu_gives(gpu: Device, kernels: Kernels, target: InputFormat) -> None:
    for width, height in SIZES:
        image = picture(width, height)
        found = letterbox(gpu, kernels, [image], target, "float32")
        assert levels(found, expected(image, target), target) <= 1.001, (width, height)


def test_nv12_and_half_precision_and_a_batch(gpu: Device, kernels: Kernels) -> None:
    target = TARGETS["yolov8"]
    images = [picture(1280, 720), nv12(1280, 720), nv12(322, 242), picture(480, 640)]
    single = letterbox(gpu, kernels, images, target, "float32")
    for index, image in enumerate(images):
        assert levels(single[index : index + 1], expected(image, target), target) <= 1.001
    half = letterbox(gpu, kernels, images, target, "float16")
    np.testing.assert_array_equal(half, single.astype(np.float16))


class Constant:
    """A network that always gives the same answer; the runner's parts around it are real."""

    def __init__(self, gpu: Device, answers: Sequence[npt.NDArray[Any]], stream: Any, *, waits: bool) -> None:
        self._waits = waits
        self._gpu, self._answers, self._stream = gpu, answers, stream
        self.input_dtype: np.dtype[Any] = np.dtype(np.float32)
        self.max_batch, self.capturable = len(answers[0]), True
        self._memory = [Buffer(gpu, answer.nbytes) for answer in answers]
        for memory, answer in zip(self._memory, answers, strict=True):
            gpu.driver.memcpy_htod(memory.address, answer)
        self.enqueued = 0

    def padded(self, count: int) -> int:
        return count

    def outputs(self, shape: Shape) -> list[tuple[tuple[int, ...], np.dtype[Any]]]:
        return [((shape[0], *answer.shape[1:]), answer.dtype) for answer in self._answers]

    def enqueue(self, slot: int, shape: Shape, source: int, outputs: Sequence[int], stream: int) -> None:  # noqa: ARG002 - whatever comes in, the answer is the same
        self.enqueued += 1
        for output, memory, answer in zip(outputs, self._memory, self._answers, strict=True):
            size = answer[: shape[0]].nbytes
            self._gpu.driver.memcpy_dtod_async(output, memory.address, size, self._stream)
        if self._waits:
            self._stream.synchronize()

    def scratch(self, shape: Shape) -> int:  # noqa: ARG002 - as a network is asked
        return 0

    def forget(self, slot: int) -> None:
        pass

    def close(self) -> None:
        for memory in self._memory:
            memory.free()


def runner(
    gpu: Device, *answers: npt.NDArray[Any], graphs: bool = True, waits: bool = False
) -> tuple[CudaRunner, Constant]:
    with gpu.current():
        stream = gpu.driver.Stream()
        network = Constant(gpu, answers, stream, waits=waits)
    return CudaRunner(gpu, network, stream, graphs=graphs), network


def asked(classes: int, confidence: float, layout: Layout) -> Wanted:
    """Detections after NMS."""
    return Wanted(np.arange(classes), confidence, FAMILIES[layout].anchors, 0.6, 300)


def check(result: Inference, layout: Layout, answer: npt.NDArray[Any], wanted: Wanted) -> None:
    """The result has what the host makes of the answer, and nothing else crossed the bus."""
    assert result.found
    assert not any(result.outputs)
    for index, found in enumerate(result.found):
        assert_equal(found, in_picture(on_host(layout, [answer[index]], wanted), result.fits[index]))


@pytest.mark.parametrize("graphs", [True, False], ids=["graph", "enqueued"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("layout", ["yolov8", "yolov5"])
def test_only_detections_come_back(gpu: Device, layout: Layout, dtype: str, graphs: bool) -> None:
    answer = outputs(layout, 80, 8400, 3, 0.01).astype(dtype)
    engine, network = runner(gpu, answer, graphs=graphs)
    images = [picture(640, 480), picture(1280, 720), nv12(352, 288)]
    for confidence in (0.25, 0.25, 0.6, 0.6, 0.9):  # a live change must reach a recorded graph
        wanted = asked(80, confidence, layout)
        found = engine.submit(images, TARGETS["yolov8"], wanted).collect()
        check(found, layout, answer, wanted)
        assert found.preprocess_ms > 0
        assert found.inference_ms > 0
    # The first batch runs twice and is recorded, then all are replayed.
    assert network.enqueued == (3 if graphs else 5)
    engine.close()


def test_a_network_that_cannot_be_recorded_is_enqueued(gpu: Device, caplog: pytest.LogCaptureFixture) -> None:
    answer = outputs("yolov8", 80, 8400, 2, 0.01)
    engine, network = runner(gpu, answer, waits=True)
    wanted = asked(80, 0.3, "yolov8")
    for _ in range(5):
        found = engine.submit([picture(640, 480)] * 2, TARGETS["yolov8"], wanted).collect()
        check(found, "yolov8", answer, wanted)
    assert not network.capturable
    assert caplog.text.count("cannot be recorded") == 1
    engine.close()


def test_a_flood_of_candidates_comes_back_whole(gpu: Device) -> None:
    answer = outputs("yolov8", 2, 8400, 2, 1.0)
    engine, _ = runner(gpu, answer)
    wanted = asked(2, 0.0, "yolov8")
    found = engine.submit([picture(640, 480)] * 2, TARGETS["yolov8"], wanted).collect()
    for index, (output,) in enumerate(found.outputs):
        np.testing.assert_array_equal(output, answer[index])
    engine.close()


@pytest.mark.parametrize("layout", DECODED)
def test_every_layout_is_decoded_on_the_gpu_and_a_flood_of_it_comes_back_whole(
    gpu: Device, layout: Layout
) -> None:
    target, rng = TARGETS["yolov8"], np.random.default_rng(5)
    size = target.width, target.height
    pictures = [
        arranged(layout, crowd(rng, classes=7, anchors=anchors_of(layout, size), candidates=count), size=size)
        for count in (200, 1100)
    ]
    answers = [np.ascontiguousarray(np.stack(one)) for one in zip(*pictures, strict=True)]
    engine, _ = runner(gpu, *answers)
    kind = FAMILIES[layout].anchors
    assert kind is not None
    wanted = Wanted(np.arange(7), 0.25, replace(kind, order=tuple(range(len(answers)))), 0.6, 300)
    for _ in range(2):
        result = engine.submit([picture(640, 480)] * 2, target, wanted).collect()
        assert result.found
        expected_found = in_picture(on_host(layout, pictures[0], wanted, size), result.fits[0])
        assert_equal(result.found[0], expected_found)
        assert result.found[1] is None
        assert not result.outputs[0]
        for output, answer in zip(result.outputs[1], answers, strict=True):
            np.testing.assert_array_equal(output, answer[1])
    engine.close()


class Padded(Constant):
    """A network that runs four pictures or none."""

    def padded(self, count: int) -> int:
        return max(count, 4)


def test_pictures_that_fill_up_a_batch_give_no_detections(gpu: Device) -> None:
    answer = outputs("yolov8", 80, 8400, 4, 0.01)
    with gpu.current():
        stream = gpu.driver.Stream()
        engine = CudaRunner(gpu, Padded(gpu, [answer], stream, waits=False), stream)
    wanted = asked(80, 0.3, "yolov8")
    for count in (1, 3, 3, 4):
        found = engine.submit([picture(640, 480)] * count, TARGETS["yolov8"], wanted).collect()
        assert len(found.outputs) == len(found.found or ()) == count
        check(found, "yolov8", answer, wanted)
    engine.close()


def test_outputs_that_must_not_be_decoded_come_back_whole(gpu: Device) -> None:
    answer = outputs("yolov5", 80, 300, 2, 0.1)
    engine, _ = runner(gpu, answer)
    images = [picture(640, 480)] * 2
    for _ in range(3):
        found = engine.submit(images, TARGETS["yolov8"], Wanted(np.arange(80), 0.5)).collect()
        np.testing.assert_array_equal([outputs[0] for outputs in found.outputs], answer)
    engine.close()


def test_two_batches_in_flight_keep_apart(gpu: Device) -> None:
    answer = outputs("yolov8", 80, 8400, 4, 0.01)
    engine, _ = runner(gpu, answer)
    target, wanted = TARGETS["yolov8"], asked(80, 0.3, "yolov8")
    small, large = [picture(640, 480)] * 2, [picture(1920, 1080)] * 4
    first = engine.submit(small, target, wanted)
    for turn in range(8):
        second = engine.submit(large if turn % 2 == 0 else small, target, wanted)
        with pytest.raises(ValueError, match="two batches"):
            engine.submit(small, target, wanted)
        found = first.collect()
        assert len(found.outputs) == (2 if turn % 2 == 0 else 4)
        check(found, "yolov8", answer, wanted)
        first = second
    first.collect()
    engine.close()


@pytest.mark.parametrize("graphs", [True, False], ids=["graph", "enqueued"])
def test_the_input_of_a_batch_is_its_own_while_another_network_runs(gpu: Device, graphs: bool) -> None:
    target = TARGETS["yolov8"]
    with gpu.current():
        stream = gpu.driver.Stream()
        engine = CudaRunner(
            gpu, Echo(gpu, [np.zeros((4, 1), np.float32)], stream, waits=False), stream, graphs=graphs
        )
    batches = [
        [np.full((480, 640, 3), 10 * turn + place, np.uint8) for place in range(4)] for turn in range(20)
    ]
    pending = engine.submit(batches[0], target, None)
    for turn, pictures in enumerate(batches[1:]):
        following = engine.submit(pictures, target, None)
        found = pending.collect()
        for place, (output,) in enumerate(found.outputs):
            assert output[:, 320, 320] * 255 == pytest.approx(10 * turn + place, abs=1e-3)
        assert found.preprocess_ms > 0
        assert found.inference_ms > 0
        pending = following
    pending.collect()
    engine.close()


def test_two_threads_may_ask_at_once(gpu: Device) -> None:
    answer = outputs("yolov8", 80, 8400, 4, 0.01)
    engine, _ = runner(gpu, answer)
    target, wanted = TARGETS["yolov8"], asked(80, 0.3, "yolov8")
    errors: list[BaseException] = []

    def ask(count: int) -> None:
        try:
            for _ in range(50):
                found = engine.submit([picture(640, 480)] * count, target, wanted).collect()
                assert len(found.outputs) == count
                check(found, "yolov8", answer, wanted)
        except BaseException as error:  # noqa: BLE001 - shown by the main thread
            errors.append(error)

    threads = [threading.Thread(target=ask, args=(count,)) for count in (1, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
    engine.close()


def test_another_thread_may_ask_and_pytorch_goes_on(gpu: Device) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch beside our context")
    matrix = torch.ones((512, 512), device="cuda")
    answer = outputs("yolov8", 80, 2100, 1, 0.02)
    engine, _ = runner(gpu, answer)
    wanted = asked(80, 0.3, "yolov8")
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            torch.cuda.set_device(0)  # a new thread of PyTorch's warns without
            for _ in range(20):
                check(
                    engine.submit([picture(640, 480)], TARGETS["yolov8"], wanted).collect(),
                    "yolov8",
                    answer,
                    wanted,
                )
                assert float((matrix @ matrix).sum()) == 512.0**3
        except BaseException as error:  # noqa: BLE001 - shown by the main thread
            errors.append(error)

    for _ in range(2):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert not errors, errors
    assert float((matrix @ matrix).sum()) == 512.0**3
    engine.close()


def test_a_recorded_graph_does_the_work_again(gpu: Device) -> None:
    with gpu.current():
        driver = gpu.driver
        stream = driver.Stream()
        memory, host = Buffer(gpu, 4096), Pinned(gpu, 4096)

        def work() -> None:
            driver.memcpy_htod_async(memory.address, host.array, stream)
            driver.memset_d32_async(memory.address, 7, 1, stream)
            driver.memcpy_dtoh_async(host.array, memory.address, stream)

        host.array[:] = 1
        graph = CudaGraph(stream.handle, work)
        stream.synchronize()
        assert host.array[0] == 1  # recorded, not done
        for value in (2, 3):
            host.array[:] = value
            graph.launch(stream.handle)
            stream.synchronize()
            assert host.array[:8].tolist() == [7, 0, 0, 0, value, value, value, value]
        graph.close()
        memory.free()
        host.free()


def test_what_cannot_be_recorded_leaves_the_stream_usable(gpu: Device) -> None:
    with gpu.current():
        stream = gpu.driver.Stream()
        with pytest.raises(CaptureError):
            CudaGraph(stream.handle, stream.synchronize)
        stream.synchronize()
        memory = Buffer(gpu, 64)
        gpu.driver.memset_d32_async(memory.address, 1, 16, stream)
        stream.synchronize()
        memory.free()


@pytest.fixture(scope="module")
def onnx_backend(gpu: Device) -> Iterator[CudaOnnxBackend]:  # noqa: ARG001 - skips without a GPU
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        pytest.skip("needs onnxruntime-gpu")
    backend = CudaOnnxBackend(BUILT_IN / "nanodet_g.onnx")
    yield backend
    backend.close()


def test_onnx_runtime_on_our_buffers_detects_what_the_cpu_detects(onnx_backend: CudaOnnxBackend) -> None:
    target = InputFormat(416, 416)
    wanted = asked(80, 0.02, "yolov8")
    session = ort.InferenceSession(BUILT_IN / "nanodet_g.onnx", providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    for width, height in SIZES[:8] * 2:
        image = picture(width, height)
        (output,) = session.run(None, {name: Preprocessor(target)(image)[0]})
        reference = candidates(FAMILIES["yolov8"], [output[0]], target, wanted.class_ids, wanted.confidence)
        found = onnx_backend.submit([image], target, None).collect()
        (kept,) = found.outputs[0]
        # Those at the threshold may change sides.
        (sure,) = np.nonzero(reference.score > wanted.confidence + 0.001)
        less = candidates(FAMILIES["yolov8"], [kept], target, wanted.class_ids, wanted.confidence)
        assert len(less) >= len(sure)
        for index in sure:
            near = np.abs(less.xyxy - reference.xyxy[index]).max(axis=1)
            assert near.min() < 0.1
            assert abs(less.score[near.argmin()] - reference.score[index]) < 0.001


def test_models_that_choose_their_boxes_are_refused_at_once(onnx_backend: CudaOnnxBackend) -> None:  # noqa: ARG001 - skips without onnxruntime-gpu
    path = SHARED / "models" / "rtmdet_nano_person.onnx"
    if not path.is_file():
        pytest.skip("needs ../shared/models")
    with pytest.raises(ModelError, match="depends on the picture"):
        CudaOnnxBackend(path)


def test_two_aspects_of_one_network_keep_apart(onnx_backend: CudaOnnxBackend, tmp_path: Path) -> None:  # noqa: ARG001 - skips without onnxruntime-gpu
    path = convolution(tmp_path / "any.onnx", ["N", 3, "H", "W"])
    backend = CudaOnnxBackend(path)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    targets = [InputFormat(96, 64), InputFormat(64, 96)]
    images = {target: [picture(96, 64), picture(64, 96)] for target in targets}
    expected_by_target = {
        target: [session.run(None, {"images": expected(image, target)})[0][0] for image in images[target]]
        for target in targets
    }
    pending = backend.submit(images[targets[0]], targets[0], None)
    before = targets[0]
    for turn in range(1, 12):  # enqueued, recorded and replayed, with the other aspect in flight beside
        target = targets[turn % 2]
        following = backend.submit(images[target], target, None)
        found = pending.collect()
        for (output,), reference in zip(found.outputs, expected_by_target[before], strict=True):
            assert np.abs(output - reference).max() < 0.05  # letterboxes differ by a grey level
        pending, before = following, target
    pending.collect()
    backend.close()


@pytest.fixture
def little_memory(gpu: Device) -> Iterator[Callable[[int], None]]:
    """Takes all of the GPU's memory but a number of megabytes, until the test ends."""
    taken: list[Buffer] = []

    def leave(megabytes: int) -> None:
        with gpu.current():
            taken.append(Buffer(gpu, gpu.free_memory() - (megabytes << 20)))

    yield leave
    with gpu.current():
        for buffer in taken:
            buffer.free()


def test_batches_follow_the_free_memory(
    gpu: Device, little_memory: Callable[[int], None], caplog: pytest.LogCaptureFixture
) -> None:
    answer = outputs("yolov8", 80, 8400, 16, 0.01)
    engine, _ = runner(gpu, answer)
    little_memory(200)
    wanted = asked(80, 0.3, "yolov8")
    engine.submit([picture(1280, 720)], TARGETS["yolov8"], wanted).collect()
    most = engine.max_batch
    assert 1 < most < 16
    assert f"has at most {most}, although" in caplog.text
    images = [picture(1280, 720)] * most
    batches = [engine.submit(images, TARGETS["yolov8"], wanted) for _ in range(2)]
    with gpu.current():
        assert gpu.free_memory() >= 0.2 * 180 * 2**20  # the margin; the driver keeps some for itself
    for batch in batches:
        check(batch.collect(), "yolov8", answer, wanted)
    engine.close()


def test_a_batch_without_room_is_refused_and_smaller_ones_go_on(
    gpu: Device, little_memory: Callable[[int], None]
) -> None:
    answer = outputs("yolov8", 80, 8400, 16, 0.01)
    engine, _ = runner(gpu, answer)
    wanted = asked(80, 0.3, "yolov8")
    first = engine.submit([picture(640, 480)] * 2, TARGETS["yolov8"], wanted)
    little_memory(100)
    with pytest.raises(OutOfMemory, match="too little memory for 16 pictures"):
        engine.submit([picture(1280, 720)] * 16, TARGETS["yolov8"], wanted)
    check(first.collect(), "yolov8", answer, wanted)
    for count in (1, 2, 1):
        found = engine.submit([picture(1280, 720)] * count, TARGETS["yolov8"], wanted).collect()
        check(found, "yolov8", answer, wanted)
    engine.close()
    with gpu.current():
        assert gpu.free_memory() >= 95 << 20


def wide_network(path: Path) -> Path:
    """A convolution to 512 values per pixel, 134 MB for 256x256 pixels, and their means ``(N, 512)``."""
    weights = np.random.default_rng(5).normal(0, 0.3, (512, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["images", "w"], ["wide"], pads=[1] * 4),
        helper.make_node("Relu", ["wide"], ["positive"]),
        helper.make_node("ReduceMean", ["positive"], ["output0"], axes=[2, 3], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "wide",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, 256, 256])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, ["N", 512])],
        [numpy_helper.from_array(weights, "w")],
    )
    return save(path, graph)


def test_memory_of_the_network_that_runs_out_makes_batches_smaller(
    onnx_backend: CudaOnnxBackend,  # noqa: ARG001 - skips without onnxruntime-gpu
    little_memory: Callable[[int], None],
    tmp_path: Path,
) -> None:
    backend = CudaOnnxBackend(wide_network(tmp_path / "wide.onnx"))
    target = InputFormat(256, 256)
    (reference,) = backend.submit([picture(256, 256)], target, None).collect().outputs[0]
    little_memory(700)
    count, refused = 16, 0
    while True:
        try:
            found = backend.submit([picture(256, 256)] * count, target, None).collect()
            break
        except OutOfMemory:
            count, refused = count // 2, refused + 1
    assert refused
    assert backend.max_batch <= 8
    for (output,) in found.outputs:
        np.testing.assert_allclose(output.astype(np.float64), reference.astype(np.float64), atol=1e-3)
    backend.close()


def test_a_batch_is_filled_up_with_its_first_picture(onnx_backend: CudaOnnxBackend, tmp_path: Path) -> None:  # noqa: ARG001 - skips without onnxruntime-gpu
    backend = CudaOnnxBackend(convolution(tmp_path / "any.onnx", ["N", 3, 64, 64]), 6)
    images, target = [picture(64, 64), picture(64, 48), picture(48, 64)], InputFormat(64, 64)
    alone = [backend.submit([image], target, None).collect().outputs[0][0] for image in images]
    for count in (1, 2, 3, 5, 6):
        for _ in range(2):
            found = backend.submit((images * 2)[:count], target, None).collect()
            assert len(found.outputs) == len(found.fits) == count
            for (output,), reference in zip(found.outputs, (alone * 2)[:count], strict=True):
                np.testing.assert_allclose(output.astype(np.float64), reference.astype(np.float64), atol=1e-3)
    backend.close()


class Echo(Constant):
    """A network that answers with its input."""

    def outputs(self, shape: Shape) -> list[tuple[tuple[int, ...], np.dtype[Any]]]:
        return [(shape, self.input_dtype)]

    def enqueue(self, slot: int, shape: Shape, source: int, outputs: Sequence[int], stream: int) -> None:  # noqa: ARG002 - the stream is fixed
        self._gpu.driver.memcpy_dtod_async(outputs[0], source, 4 * int(np.prod(shape)), self._stream)


def test_one_recording_serves_pictures_wherever_they_lie_and_of_any_size(gpu: Device) -> None:
    target = TARGETS["yolov8"]
    with gpu.current():
        stream = gpu.driver.Stream()
        network = Echo(gpu, [np.zeros((4, 1), np.float32)], stream, waits=False)
        engine = CudaRunner(gpu, network, stream)
        planar = nv12(352, 288)
        memory = Buffer(gpu, 432 * 512)
        wide = np.zeros((432, 512), np.uint8)
        wide[:, :352] = planar
        gpu.driver.memcpy_htod(memory.address, wide)
    chroma = memory.address + 288 * 512
    there = OnGpu(memory.address, chroma, 512, 352, 288, NoCopier(), memory)

    def lent(image: U8) -> U8:
        found = engine.pictures.lend(*image.shape[:2])
        found[:] = image
        return found

    large = picture(1300, 801)
    for shift in range(6):
        part = (slice(shift, 700 - shift), slice(3 * shift + 1, 1201))
        batch: list[tuple[Picture, U8]] = [
            (lent(picture(640 + shift, 480)), picture(640 + shift, 480)),
            (lent(large)[part], np.ascontiguousarray(large[part])),
            (large[part], np.ascontiguousarray(large[part])),
            (there, planar),
        ]
        batch = batch[shift % 4 :] + batch[: shift % 4]
        found = engine.submit([image for image, _ in batch], target, None).collect()
        for (output,), (_, image) in zip(found.outputs, batch, strict=True):
            assert levels(output[None], expected(image, target), target) <= 1.001
    engine.close()
    with gpu.current():
        memory.free()
