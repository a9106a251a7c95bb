"""A TensorRT engine on the GPU, through calls that versions 8.6, 10 and 11 have in common.

After a call that returned None or False, TensorRT's log tells whether memory ran out: it then says "out of
memory" or "OutOfMemory". The texts come from reports by users of 8.6 and 10; no version ran during
development.

Every name of TensorRT that this file uses, by the object it belongs to (test_calls.py compares):

    trt: Runtime, TensorIOMode, __version__, init_libnvinfer_plugins
    runtime: deserialize_cuda_engine
    engine: get_tensor_dtype, get_tensor_mode, get_tensor_name, get_tensor_profile_shape, get_tensor_shape,
        num_io_tensors, num_optimization_profiles
    context: execute_async_v3, get_tensor_shape, set_input_shape, set_optimization_profile_async,
        set_tensor_address

`scratch.py` makes the contexts, through calls in which the versions differ.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edge_node.backends.cuda.device import Device
from edge_node.backends.cuda.memory import is_shortage
from edge_node.backends.cuda.slots import Shape
from edge_node.backends.interface import Axis, OutOfMemory, Tensor
from edge_node.backends.tensorrt.description import in_order
from edge_node.backends.tensorrt.module import logger
from edge_node.backends.tensorrt.scratch import Prepared, Scratch
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


class Engine:
    """An engine and its execution contexts; see `slots.Network`. The CUDA context must be current.

    A recorded CUDA graph must find its execution context unchanged, so every slot and shape has a context of
    its own. Batches are filled up to powers of two, so that there are few contexts. If an engine allows only
    one context for a profile (TensorRT 8.6 without profile sharing), all share it and nothing is recorded.

    Args:
        trt: The module.
        gpu: The GPU.
        path: The engine's file, for errors.
        blob: The engine.
        stream: Handle of a stream to set profiles on.
        order: Names of the outputs in the ONNX file's order; empty if it is not known.

    Attributes:
        inputs: The picture's input.
        output_tensors: In the ONNX file's order if that is known, else in the engine's.
        profiles: Smallest, best and largest input shape of each optimisation profile.
    """

    capturable = True

    def __init__(
        self, trt: Any, gpu: Device, path: Path, blob: bytes, stream: int, order: Sequence[str] = ()
    ) -> None:
        self._trt, self._gpu, self._path, self._stream = trt, gpu, path, stream
        self._log = logger(trt)
        self._log.reason()  # forgets earlier errors
        trt.init_libnvinfer_plugins(self._log, "")
        self._runtime = runtime = trt.Runtime(self._log)
        self._engine = engine = runtime.deserialize_cuda_engine(blob)
        if engine is None:
            raise ModelError(
                f"model {path}: TensorRT {trt.__version__} on {gpu.name} cannot load it"
                f"{self._log.reason()}; an engine runs on the version and GPU it was built for: build it "
                "again with darner-optimize build MODEL.onnx"
            )
        tensors = [self._describe(engine.get_tensor_name(index)) for index in range(engine.num_io_tensors)]
        self.inputs = tuple(tensor for is_input, tensor in tensors if is_input)
        self.output_tensors = in_order([tensor for is_input, tensor in tensors if not is_input], order)
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
        self.inputs = (_narrowed(self.inputs[0], self.profiles),)
        self.max_batch = max(largest[0] for _, _, largest in self.profiles)
        self._contexts: dict[tuple[int, Shape], Prepared] = {}
        self._shared: dict[int, Prepared] = {}
        self._scratch = Scratch(trt, gpu, engine)
        try:
            self.outputs(min(least for least, _, _ in self.profiles))  # refuses what cannot run
        except BaseException:
            self.close()
            raise

    def _describe(self, name: str) -> tuple[bool, Tensor]:
        engine = self._engine
        kind = engine.get_tensor_dtype(name).name
        if kind not in _TYPES:
            raise ModelError(f"model {self._path}: {name} has type {kind}, which Darner cannot read")
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
        """See `Network`: a power of two, as far as the profiles allow."""
        power = 1 << (count - 1).bit_length()
        return min(max(min(power, high[0]), low[0]) for low, _, high in self.profiles if high[0] >= count)

    def profile_for(self, shape: Shape) -> int:
        """The profile whose best batch is nearest to a shape, among those that allow the shape.

        Raises:
            ModelError: No profile allows the shape.
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
        """See `Network`."""
        # A context for this call only: it must not keep the profile from the contexts that will run.
        context = (self._own_context(shape, runs=False) or self._shared_context(shape)).context
        found = []
        for tensor in self.output_tensors:
            axes = tuple(int(axis) for axis in context.get_tensor_shape(tensor.name))
            if min(axes, default=-1) < 0:
                raise ModelError(
                    f"model {self._path}: the shape of {tensor.name} depends on the picture; "
                    "export the model with a fixed number of detections"
                )
            if axes[:1] != shape[:1]:
                raise ModelError(f"model {self._path}: output {tensor.name} {list(axes)} is not by picture")
            found.append((axes, np.dtype(tensor.dtype)))
        return found

    def enqueue(self, slot: int, shape: Shape, source: int, outputs: Sequence[int], stream: int) -> None:
        """See `Network`."""
        context = self._context(slot, shape).context
        for tensor, address in zip((*self.inputs, *self.output_tensors), (source, *outputs), strict=True):
            context.set_tensor_address(tensor.name, address)
        if not context.execute_async_v3(stream):
            raise self._failed(f"TensorRT could not start {shape}")

    def forget(self, slot: int) -> None:
        """See `Network`."""
        for key in [key for key in self._contexts if key[0] == slot]:
            del self._contexts[key]
        self._scratch.keep((*self._contexts.values(), *self._shared.values()))

    def scratch(self, shape: Shape) -> int:
        """See `Network`."""
        try:
            return self._scratch.missing(self.profile_for(shape))
        except ModelError:  # the run itself says so
            return 0

    def _context(self, slot: int, shape: Shape) -> Prepared:
        """A context set to a shape."""
        key = slot, shape
        if key not in self._contexts:
            context = self._own_context(shape) if self.capturable else None
            if context is None:
                return self._shared_context(shape)
            self._contexts[key] = context
        return self._contexts[key]

    def _own_context(self, shape: Shape, *, runs: bool = True) -> Prepared | None:
        """A new context; None if the engine allows only one per profile and that one is taken."""
        index = self.profile_for(shape)
        try:
            return self._new_context(index, shape, runs=runs)
        except OutOfMemory:
            raise
        except ModelError as error:
            if not self._contexts and not self._shared:
                raise
            if self.capturable:
                log.warning("no CUDA graphs, because the engine allows one context for a profile: %s", error)
                self.capturable = False
            return None

    def _shared_context(self, shape: Shape) -> Prepared:
        """The one context of a profile, set to a shape."""
        index = self.profile_for(shape)
        if index not in self._shared:
            self._gpu.driver.Context.synchronize()  # a batch may be in flight
            self._contexts.clear()  # gives the profiles back
            self._scratch.keep(self._shared.values())
            self._shared[index] = self._new_context(index, shape)
        shared = self._shared[index]
        if not shared.context.set_input_shape(self.inputs[0].name, shape):
            raise self._failed(f"cannot take {shape}")
        return shared

    def _new_context(self, profile: int, shape: Shape, *, runs: bool = True) -> Prepared:
        """A context set to a shape; with `runs`, it has all that it needs to run.

        Raises:
            OutOfMemory: There is no memory for a context.
            ModelError: The profile is taken, or TensorRT refuses for another reason.
        """
        self._log.reason()  # forgets earlier errors

        def prepare(context: Any) -> bool:
            try:
                chosen = context.set_optimization_profile_async(profile, self._stream)
            except RuntimeError:  # the Python interface's word for False
                return False
            return bool(chosen and context.set_input_shape(self.inputs[0].name, shape))

        prepared = self._scratch.context(profile, prepare, runs=runs)
        if prepared is None:
            raise self._failed(f"TensorRT cannot prepare it for {shape}")
        return prepared

    def _failed(self, what: str) -> ModelError:
        """An error with TensorRT's reason; `OutOfMemory` if that is the reason."""
        reason: str = self._log.reason()
        return (OutOfMemory if is_shortage(reason) else ModelError)(f"model {self._path}: {what}{reason}")

    def close(self) -> None:
        """Release contexts and engine."""
        self._contexts.clear()
        self._shared.clear()
        self._scratch.close()
        del self._engine, self._runtime


def _narrowed(tensor: Tensor, profiles: Sequence[tuple[Shape, Shape, Shape]]) -> Tensor:
    """The input, with the height and width that all profiles agree on: the engine takes no other."""
    ends = np.array([[low, high] for low, _, high in profiles]).reshape(-1, 4)
    sides = [
        int(ends[0, axis]) if (ends[:, axis] == ends[0, axis]).all() else tensor.shape[axis]
        for axis in (2, 3)
    ]
    return replace(tensor, shape=(*tensor.shape[:2], *sides))


def _four(shape: Sequence[int]) -> Shape:
    batch, channels, height, width = (int(axis) for axis in shape)
    return batch, channels, height, width
