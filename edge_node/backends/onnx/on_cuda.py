"""ONNX Runtime's CUDA provider on our own buffers (IO binding), with our letterbox and filter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from edge_node.assets.download import sha256
from edge_node.backends.cuda.device import device
from edge_node.backends.cuda.memory import IN_FLIGHT, is_shortage
from edge_node.backends.cuda.runner import CudaRunner
from edge_node.backends.cuda.slots import Shape
from edge_node.backends.interface import Inference, ModelFile, OutOfMemory, Pending, Tensor, Wanted
from edge_node.backends.onnx.providers import OfProvider
from edge_node.backends.preprocess import InputFormat
from edge_node.backends.sizes import DEFAULT_SIDE
from edge_node.pictures import Lender, Picture
from shared.errors import ModelError, first_line

_TYPES: dict[str, np.dtype[Any]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(int32)": np.dtype(np.int32),
    "tensor(int64)": np.dtype(np.int64),
    "tensor(uint8)": np.dtype(np.uint8),
}


class CudaOnnxBackend:
    """Runs an ONNX model on the GPU.

    Args:
        path: The model.
        max_batch: Maximum number of pictures in one batch, if the model leaves the number open.
        index: Number of the GPU.
        graphs: Whether to record runs as CUDA graphs and replay them.
        options: What the user sets for the provider.

    Raises:
        ModelError: The model does not take one picture, there is no GPU, or ONNX Runtime lacks its CUDA
            provider.
    """

    letterboxes = True
    in_flight = IN_FLIGHT

    def __init__(
        self,
        path: Path,
        max_batch: int = 16,
        index: int = 0,
        *,
        graphs: bool = True,
        options: OfProvider | None = None,
    ) -> None:
        try:
            gpu = device(index)
        except ModelError as error:
            raise ModelError(f"model {path}: {error}") from None
        with gpu.current():
            stream = gpu.driver.Stream()
            try:
                network = Session(path, max_batch, index, stream.handle, options)
            except OutOfMemory as error:
                raise ModelError(
                    f"{error} ({gpu.free_memory() >> 20} MB of {gpu.name} are free): end other programs on "
                    "the GPU, or choose a smaller model"
                ) from None
        self.name = f"onnxruntime {ort.__version__} cuda"
        self.device = gpu.name
        self.model = network.model
        self._runner = CudaRunner(gpu, network, stream, graphs=graphs)
        self.max_batch = self._runner.max_batch
        self.pictures: Lender = self._runner.pictures

    def submit(
        self, images: Sequence[Picture], target: InputFormat, wanted: Wanted | None
    ) -> Pending[Inference]:
        """See `CudaRunner.submit`."""
        try:
            return self._runner.submit(images, target, wanted)
        finally:
            self.max_batch = self._runner.max_batch

    def close(self) -> None:
        """Release everything."""
        self._runner.close()


class Session:
    """A session whose runs are enqueued on a stream of ours; see `slots.Network`.

    Args:
        path: The model.
        max_batch: Maximum number of pictures in one batch, if the model leaves the number open.
        index: Number of the GPU.
        stream: Handle of the stream.
        given: What the user sets for the provider.

    Raises:
        ModelError: The model does not take one picture, or ONNX Runtime lacks its CUDA provider.
    """

    capturable = True

    def __init__(
        self, path: Path, max_batch: int, index: int, stream: int, given: OfProvider | None = None
    ) -> None:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        # Without TF32 a float32 model has the same results as on the CPU; for speed there are float16 models.
        provider = {"device_id": str(index), "user_compute_stream": str(stream), "use_tf32": "0"}
        provider |= {key: str(value) for key, value in (given or {}).items()}
        try:
            self._session = ort.InferenceSession(
                path,
                options,
                providers=[("CUDAExecutionProvider", provider), "CPUExecutionProvider"],
                enable_fallback=int(not given),  # an option that it refuses is an error
            )
        except Exception as error:  # noqa: BLE001 - ONNX Runtime has no common base for "this file is bad"
            raise failed(f"model {path}: ONNX Runtime cannot load it", error) from None
        if "CUDAExecutionProvider" not in self._session.get_providers():
            raise ModelError(
                "this ONNX Runtime cannot use the GPU (it fell back to the CPU): install "
                "onnxruntime-gpu instead of onnxruntime, with the CUDA and cuDNN versions it names"
            )
        self._path, self._index = path, index
        self._read_tensors()
        batch, _, *sides = self.model.inputs[0].shape
        self._fixed = batch if isinstance(batch, int) else None
        self.max_batch = self._fixed or max_batch
        self._rest: dict[Shape, list[tuple[int, ...]]] = {}
        self._bindings: dict[tuple[int, Shape], Any] = {}
        self._run_options = ort.RunOptions()
        # The runner waits for the stream; a wait inside the session could not be recorded in a CUDA graph.
        self._run_options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        height, width = (axis if isinstance(axis, int) else DEFAULT_SIDE for axis in sides)
        self.outputs((1, 3, height, width))  # refuses what cannot run

    def _read_tensors(self) -> None:
        """Read names, types and shapes of the model's input and outputs.

        Raises:
            ModelError: The model does not take one picture in floats.
        """
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        kinds = ("tensor(float)", "tensor(float16)")
        shape = inputs[0].shape
        if len(inputs) != 1 or inputs[0].type not in kinds or len(shape) != 4 or shape[3] == 3:
            found = ", ".join(f"{item.name} {item.type} {item.shape}" for item in inputs)
            raise ModelError(f"model {self._path}: needs one float input (N, 3, height, width), has {found}")
        self.input_dtype = _TYPES[inputs[0].type]
        self._names = inputs[0].name, [item.name for item in outputs]
        self._types = [_TYPES.get(item.type, np.dtype(np.float32)) for item in outputs]
        self.model = ModelFile(
            (Tensor(inputs[0].name, tuple(inputs[0].shape), str(self.input_dtype)),),
            tuple(
                Tensor(item.name, tuple(item.shape), str(kind))
                for item, kind in zip(outputs, self._types, strict=True)
            ),
            self._session.get_modelmeta().custom_metadata_map,
            sha256(self._path),
        )

    def padded(self, count: int) -> int:
        """See `Network`: a power of two, so that there are few shapes.

        At each change of shape, ONNX Runtime 1.20 and newer plan all convolutions again (issue 23006 there).
        """
        return self._fixed or min(1 << (count - 1).bit_length(), self.max_batch)

    def outputs(self, shape: Shape) -> list[tuple[tuple[int, ...], np.dtype[Any]]]:
        """See `Network`: a few runs show the shapes that the file leaves open."""
        probe: Shape = (self._fixed or 1, *shape[1:])
        if probe not in self._rest:
            shapes = {self._shapes_for(picture) for picture in _pictures(probe, self.input_dtype)}
            found = shapes.pop()
            if shapes:
                raise ModelError(f"model {self._path}: an output's shape depends on the picture")
            if any(shape[:1] != probe[:1] for shape in found):
                raise ModelError(f"model {self._path}: not all of the output shapes {found} are by picture")
            self._rest[probe] = [one[1:] for one in found]
        return [((shape[0], *rest), kind) for rest, kind in zip(self._rest[probe], self._types, strict=True)]

    def _shapes_for(self, tensor: npt.NDArray[Any]) -> tuple[tuple[int, ...], ...]:
        name, names = self._names
        try:
            return tuple(result.shape for result in self._session.run(names, {name: tensor}))
        except Exception as error:  # noqa: BLE001 - ONNX Runtime has no common base for "this cannot run"
            raise failed(f"model {self._path}: cannot run with {tensor.shape}", error) from None

    def enqueue(self, slot: int, shape: Shape, source: int, outputs: Sequence[int], stream: int) -> None:  # noqa: ARG002 - the session's stream is fixed
        """See `Network`."""
        binding = self._bindings.get((slot, shape))
        if binding is None:
            binding = self._bindings[slot, shape] = self._bound(shape, source, outputs)
        try:
            self._session.run_with_iobinding(binding, self._run_options)
        except Exception as error:  # noqa: BLE001 - ONNX Runtime has no common base for "this cannot run"
            raise failed(f"model {self._path}: cannot run with {shape}", error) from None

    def _bound(self, shape: Shape, source: int, outputs: Sequence[int]) -> Any:
        """What names the buffers of a slot to the session."""
        name, names = self._names
        binding = self._session.io_binding()
        binding.bind_input(name, "cuda", self._index, self.input_dtype.type, shape, source)
        for output, (full, kind), address in zip(names, self.outputs(shape), outputs, strict=True):
            binding.bind_output(output, "cuda", self._index, kind.type, full, address)
        return binding

    def scratch(self, shape: Shape) -> int:  # noqa: ARG002 - ONNX Runtime does not tell
        """See `Network`."""
        return 0

    def forget(self, slot: int) -> None:
        """See `Network`."""
        for key in [key for key in self._bindings if key[0] == slot]:
            del self._bindings[key]

    def close(self) -> None:
        """Release the session's memory."""
        self._bindings.clear()
        del self._session


def failed(what: str, error: Exception) -> ModelError:
    """ONNX Runtime's error as ours: `OutOfMemory` if its text says so, because its type does not."""
    return (OutOfMemory if is_shortage(str(error)) else ModelError)(f"{what}: {first_line(error)}")


def _pictures(shape: Shape, dtype: np.dtype[Any]) -> Iterator[npt.NDArray[Any]]:
    """A blank picture, and noise in both usual ranges: a network that chooses boxes finds few or many."""
    yield np.zeros(shape, dtype)
    noise = np.random.default_rng(0).random(shape, np.float32)
    yield noise.astype(dtype)
    yield (noise * 255).astype(dtype)
