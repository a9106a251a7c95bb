"""TensorRT: an engine on the GPU, through calls that versions 8.6, 10 and 11 have in common.

Every name of TensorRT's that this file uses, by what it belongs to (test_tensorrt_calls.py compares):

    trt: Runtime, TensorIOMode, __version__, init_libnvinfer_plugins
    runtime: deserialize_cuda_engine
    engine: create_execution_context, get_tensor_dtype, get_tensor_mode, get_tensor_name,
        get_tensor_profile_shape, get_tensor_shape, num_io_tensors, num_optimization_profiles
    context: execute_async_v3, get_tensor_shape, set_input_shape, set_optimization_profile_async,
        set_tensor_address
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edge_node.backends.backend import Axis, Backend, Inference, ModelFile, Tensor, Wanted
from edge_node.backends.cuda import Device, device
from edge_node.backends.cuda_runner import CudaRunner, Shape, Ticket
from edge_node.backends.engine_cache import EngineCache, sidecar
from edge_node.backends.tensorrt_module import load, logger
from edge_node.config import ModelSettings
from edge_node.frames import U8
from edge_node.preprocess import InputFormat
from shared.errors import ModelError

log = logging.getLogger("darner.backend")

_TYPES: dict[str, np.dtype[Any]] = {
    "FLOAT": np.dtype(np.float32),
    "HALF": np.dtype(np.float16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "INT8": np.dtype(np.int8),
    "UINT8": np.dtype(np.uint8),
    "BOOL": np.dtype(np.bool_),
}


class TensorrtBackend:
    """Runs a TensorRT engine; of an ONNX file, one is built first and kept.

    Args:
        path: An engine, as `python -m optimization build`, trtexec or Ultralytics write it, or an ONNX file.
        settings: How engines are built, and what runs meanwhile.
        index: Of the GPU.
        graphs: Record and replay as CUDA graphs.

    Raises:
        ModelError: No TensorRT, no GPU, an engine of another version or GPU, or not one of one picture.
    """

    letterboxes = True

    def __init__(self, path: Path, settings: ModelSettings, index: int = 0, *, graphs: bool = True) -> None:
        try:
            self._trt, self._gpu = load(), device(index)
        except ModelError as error:
            raise ModelError(f"model {path}: {error}") from None
        self._graphs = graphs
        self._meanwhile: Backend | None = None
        self._loaded: _Loaded | None = None
        self._built: list[Path | ModelError] = []
        if path.suffix != ".onnx":
            self._load(path)
            return
        cache = EngineCache(limit_mb=settings.tensorrt.cache_mb)
        options = settings.tensorrt.options()
        key = (self._trt, self._gpu.name, self._gpu.capability, path, options)
        if settings.tensorrt.while_building == "wait" or cache.find(cache.path(*key)):
            with self._gpu.current():
                engine = cache.get(*key)
            self._load(engine)
        else:
            self._start_building(cache, key, path, settings)

    def _load(self, path: Path) -> None:
        self._loaded = loaded = _Loaded(self._trt, self._gpu, path, graphs=self._graphs)
        self.name, self.device = f"tensorrt {self._trt.__version__}", self._gpu.name
        self.model, self.max_batch = loaded.model, loaded.max_batch

    def _start_building(self, cache: EngineCache, key: Any, path: Path, settings: ModelSettings) -> None:
        """Run with ONNX Runtime until the engine is there."""
        from edge_node.backends.choose import choose  # which imports this file

        self._meanwhile = other = choose(replace(settings, backend="onnxruntime", name=str(path)))
        self.name, self.device, self.model, self.max_batch = (
            other.name,
            other.device,
            other.model,
            other.max_batch,
        )

        def work() -> None:
            try:
                with self._gpu.current():
                    self._built.append(cache.get(*key))
            except ModelError as error:
                self._built.append(error)

        log.info("model %s runs with %s until its TensorRT engine is built", path, other.name)
        threading.Thread(target=work, name="engine-build", daemon=True).start()

    def infer(self, images: Sequence[U8], target: InputFormat, wanted: Wanted) -> Inference:
        """See `Backend`."""
        if self._meanwhile and self._built:
            self._switch(self._meanwhile, self._built.pop())
        if self._loaded:
            return self._loaded.runner.infer(images, target, wanted)
        assert self._meanwhile  # noqa: S101 - one of the two is there
        return self._meanwhile.infer(images, target, wanted)

    def _switch(self, meanwhile: Backend, built: Path | ModelError) -> None:
        try:
            if isinstance(built, ModelError):
                raise built
            self._load(built)
        except ModelError as error:
            log.warning("staying with %s: %s", meanwhile.name, error)
            return
        log.info("the TensorRT engine is built: from here on %s", self.name)
        self._meanwhile = None
        meanwhile.close()

    def submit(self, images: Sequence[U8], target: InputFormat, wanted: Wanted) -> Ticket:
        """See `CudaRunner.submit`.

        Raises:
            ModelError: The engine is not built yet.
        """
        return self._ready().runner.submit(images, target, wanted)

    def collect(self, ticket: Ticket) -> Inference:
        """See `CudaRunner.collect`."""
        return self._ready().runner.collect(ticket)

    def _ready(self) -> _Loaded:
        if self._loaded is None:
            raise ModelError("the TensorRT engine is not built yet")
        return self._loaded

    def close(self) -> None:
        """Release everything."""
        if self._loaded:
            self._loaded.runner.close()
        if self._meanwhile:
            self._meanwhile.close()


class _Loaded:
    """An engine ready to run."""

    def __init__(self, trt: Any, gpu: Device, path: Path, *, graphs: bool) -> None:
        blob, metadata = read(path)
        with gpu.current():
            stream = gpu.driver.Stream()
            network = Engine(trt, gpu, path, blob, stream.handle)
        self.model = ModelFile(network.inputs, network.output_tensors, metadata)
        self.max_batch = network.max_batch
        self.runner = CudaRunner(gpu, network, stream, graphs=graphs)


def read(path: Path) -> tuple[bytes, Mapping[str, str]]:
    """An engine and its metadata, from the file beside it or, in Ultralytics' files, before it.

    Raises:
        ModelError: It cannot be read.
    """
    try:
        blob = path.read_bytes()
        beside = sidecar(path)
        found = json.loads(beside.read_text(encoding="utf-8")).get("metadata", {}) if beside.is_file() else {}
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"model {path}: cannot be read: {error}") from None
    length = int.from_bytes(blob[:4], "little")
    if 2 <= length < len(blob) - 4 and blob[4:5] == b"{":
        try:
            found = {**json.loads(blob[4 : 4 + length]), **found}
            blob = blob[4 + length :]
        except ValueError:
            pass  # an engine that happens to look like it
    return blob, {
        str(key): value if isinstance(value, str) else json.dumps(value) for key, value in found.items()
    }


class Engine:
    """An engine and its execution contexts; see `cuda_runner.Network`. The CUDA context must be current.

    A recorded CUDA graph must find its execution context unchanged, so every slot and batch size has its own;
    that they stay few, batches are filled up to powers of two. Where an engine allows one context a profile
    (TensorRT 8.6 without profile sharing), they share it and nothing is recorded.

    Args:
        trt: The module.
        gpu: Where.
        path: Named in errors.
        blob: The engine.
        stream: Handle of a stream to set profiles on.

    Attributes:
        inputs: The picture.
        output_tensors: In the engine's order.
        profiles: Smallest, best and largest input shape of each optimisation profile.
    """

    capturable = True

    def __init__(self, trt: Any, gpu: Device, path: Path, blob: bytes, stream: int) -> None:
        self._trt, self._gpu, self._path, self._stream = trt, gpu, path, stream
        self._log = logger(trt)
        self._log.reason()  # forgets what was before
        trt.init_libnvinfer_plugins(self._log, "")
        self._runtime = runtime = trt.Runtime(self._log)
        self._engine = engine = runtime.deserialize_cuda_engine(blob)
        if engine is None:
            raise ModelError(
                f"model {path}: TensorRT {trt.__version__} on {gpu.name} cannot load it"
                f"{self._log.reason()}; an engine runs on the version and GPU it was built for: build it "
                "again with python -m optimization build MODEL.onnx"
            )
        tensors = [self._describe(engine.get_tensor_name(index)) for index in range(engine.num_io_tensors)]
        self.inputs = tuple(tensor for is_input, tensor in tensors if is_input)
        self.output_tensors = tuple(tensor for is_input, tensor in tensors if not is_input)
        shape = self.inputs[0].shape if self.inputs else ()
        if (
            len(self.inputs) != 1
            or len(shape) != 4
            or shape[1] != 3
            or self.inputs[0].dtype not in ("float32", "float16")
        ):
            found = ", ".join(f"{one.name} {one.dtype} {list(one.shape)}" for one in self.inputs)
            raise ModelError(f"model {path}: needs one float input (N, 3, height, width), has {found}")
        self.input_dtype: np.dtype[Any] = np.dtype(self.inputs[0].dtype)
        self.profiles = self._profiles()
        self.max_batch = max(largest[0] for _, _, largest in self.profiles)
        self._contexts: dict[tuple[int, int, int, int, int], Any] = {}
        self._shared: dict[int, Any] = {}
        self._addressed: dict[int, tuple[int, ...]] = {}
        self.outputs(max(largest for _, _, largest in self.profiles))  # refuses here and now what cannot run

    def _describe(self, name: str) -> tuple[bool, Tensor]:
        engine = self._engine
        kind = engine.get_tensor_dtype(name).name
        if kind not in _TYPES:
            raise ModelError(f"model {self._path}: {name} is of type {kind}, which cannot be read here")
        axes: tuple[Axis, ...] = tuple(
            None if axis < 0 else int(axis) for axis in engine.get_tensor_shape(name)
        )
        is_input = engine.get_tensor_mode(name) == self._trt.TensorIOMode.INPUT
        return is_input, Tensor(name, axes, str(_TYPES[kind]))

    def _profiles(self) -> list[tuple[Shape, Shape, Shape]]:
        engine, name = self._engine, self.inputs[0].name
        if None not in self.inputs[0].shape:
            fixed = _four(engine.get_tensor_shape(name))
            return [(fixed, fixed, fixed)]
        found = []
        for index in range(engine.num_optimization_profiles):
            low, best, high = (_four(one) for one in engine.get_tensor_profile_shape(name, index))
            found.append((low, best, high))
        return found

    def padded(self, count: int) -> int:
        """See `cuda_runner.Network`: a power of two, as far as the profiles allow."""
        power = 1 << (count - 1).bit_length()
        return min(max(min(power, high[0]), low[0]) for low, _, high in self.profiles if high[0] >= count)

    def profile_for(self, shape: Shape) -> int:
        """The profile that was tuned nearest to a shape, of those that allow it.

        Raises:
            ModelError: None does.
        """
        fitting = [
            (abs(best[0] - shape[0]), index)
            for index, (low, best, high) in enumerate(self.profiles)
            if all(least <= axis <= most for least, axis, most in zip(low, shape, high, strict=True))
        ]
        if not fitting:
            allowed = ", ".join(f"{low} to {high}" for low, _, high in self.profiles)
            raise ModelError(f"model {self._path}: takes input shapes {allowed}, not {shape}")
        return min(fitting)[1]

    def outputs(self, shape: Shape) -> list[tuple[tuple[int, ...], np.dtype[Any]]]:
        """See `cuda_runner.Network`."""
        # Of its own and short-lived: it must not keep the profile from the contexts that will run.
        context = self._new_context(shape)
        if context is None:
            raise ModelError(
                f"model {self._path}: TensorRT cannot prepare it{self._log.reason()}; "
                "is there enough GPU memory?"
            )
        found = []
        for tensor in self.output_tensors:
            axes = tuple(int(axis) for axis in context.get_tensor_shape(tensor.name))
            if min(axes, default=-1) < 0:
                raise ModelError(
                    f"model {self._path}: the shape of {tensor.name} depends on what is in the picture; "
                    "export the model with a fixed number of detections"
                )
            if axes[:1] != shape[:1]:
                raise ModelError(f"model {self._path}: output {tensor.name} {list(axes)} is not by picture")
            found.append((axes, np.dtype(tensor.dtype)))
        return found

    def enqueue(self, slot: int, shape: Shape, source: int, outputs: Sequence[int], stream: int) -> None:
        """See `cuda_runner.Network`."""
        context = self._context(slot, shape)
        addresses = (source, *outputs)
        if self._addressed.get(id(context)) != addresses:
            for tensor, address in zip((*self.inputs, *self.output_tensors), addresses, strict=True):
                context.set_tensor_address(tensor.name, address)
            self._addressed[id(context)] = addresses
        if not context.execute_async_v3(stream):
            raise RuntimeError(f"TensorRT could not start{self._log.reason()}")

    def _context(self, slot: int, shape: Shape) -> Any:
        """A context set to a shape."""
        key = (slot, *shape)
        if self.capturable and key not in self._contexts:
            context = self._new_context(shape)
            if context is None:
                log.warning(
                    "model %s: no CUDA graphs: one context a profile%s", self._path, self._log.reason()
                )
                self.capturable = False
            else:
                self._contexts[key] = context
        if self.capturable:
            return self._contexts[key]
        index = self.profile_for(shape)
        if index not in self._shared:
            self._gpu.driver.Context.synchronize()  # a batch may be in flight
            self._contexts.clear()  # gives the profiles back
            self._addressed.clear()
            self._shared[index] = self._new_context(shape)
        context = self._shared[index]
        if context is None or not context.set_input_shape(self.inputs[0].name, shape):
            raise ModelError(f"model {self._path}: cannot take {shape}{self._log.reason()}")
        return context

    def _new_context(self, shape: Shape) -> Any:
        """A context set to a shape; None when there is no memory, or its profile is taken."""
        context = self._engine.create_execution_context()
        if context is None or not context.set_optimization_profile_async(
            self.profile_for(shape), self._stream
        ):
            return None
        return context if context.set_input_shape(self.inputs[0].name, shape) else None

    def close(self) -> None:
        """Release contexts and engine."""
        self._contexts.clear()
        self._shared.clear()
        del self._engine, self._runtime


def _four(shape: Sequence[int]) -> Shape:
    batch, channels, height, width = (int(axis) for axis in shape)
    return batch, channels, height, width
