"""One piece of scratch memory for all execution contexts of an engine, instead of one for each.

A context needs scratch memory only while it runs, and the runs of an engine follow each other on one stream.
With a piece for each, as TensorRT gives it, ten contexts of a small network took over 1.6 GB.

A recorded CUDA graph keeps the address of its context's scratch memory. So a piece never moves, and it is
freed only when no context has it. For a profile that needs more, a larger piece is added for new contexts.

Names of TensorRT that this file uses, by the object they belong to and the versions that have them
(test_calls.py compares):

    trt (10 and newer): ExecutionContextAllocationStrategy
    engine (all): create_execution_context
    engine (8.6): create_execution_context_without_device_memory, device_memory_size
    engine (10.1 and newer): get_device_memory_size_for_profile_v2
    context (8.6): device_memory
    context (10.1 and newer): set_device_memory
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from edge_node.backends.cuda.device import Buffer, Device
from edge_node.backends.interface import OutOfMemory

log = logging.getLogger("darner.backend")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A context that is ready to run, and the scratch memory that it was given; None: it has its own."""

    context: Any
    piece: Buffer | None


class _Calls(Protocol):
    """How a version is told where a context finds its scratch memory.

    Attributes:
        before_shape: Whether a context gets its memory before its profile and shape, as 8.6 wants it.
    """

    before_shape: bool

    def create(self, engine: Any) -> Any | None:
        """A context without scratch memory; None if TensorRT refuses."""

    def need(self, engine: Any, profile: int) -> int:
        """Bytes that a context with this profile needs."""

    def give(self, context: Any, piece: Buffer) -> None:
        """Tell a context where its memory is."""


class _Since86:
    before_shape = True

    def create(self, engine: Any) -> Any | None:
        return engine.create_execution_context_without_device_memory()

    def need(self, engine: Any, profile: int) -> int:  # noqa: ARG002 - it knows only the largest need of all profiles
        return int(engine.device_memory_size)

    def give(self, context: Any, piece: Buffer) -> None:
        context.device_memory = piece.address


class _Since101:
    before_shape = False

    def __init__(self, trt: Any) -> None:
        self._ours = trt.ExecutionContextAllocationStrategy.USER_MANAGED

    def create(self, engine: Any) -> Any | None:
        return engine.create_execution_context(self._ours)

    def need(self, engine: Any, profile: int) -> int:
        return int(engine.get_device_memory_size_for_profile_v2(profile))

    def give(self, context: Any, piece: Buffer) -> None:
        context.set_device_memory(piece.address, piece.size)


def _calls(trt: Any, engine: Any) -> _Calls | None:
    """The calls that this version has; None for one that has neither."""
    if hasattr(engine, "get_device_memory_size_for_profile_v2"):
        return _Since101(trt)
    if hasattr(trt, "ExecutionContextAllocationStrategy"):  # 10.0 has the strategy, but not the sizes
        return None
    return _Since86() if hasattr(engine, "create_execution_context_without_device_memory") else None


class Scratch:
    """Makes an engine's contexts, which share scratch memory where TensorRT allows it.

    Where it does not, every context has its own. The CUDA context must be current.

    Args:
        trt: The module.
        gpu: The GPU.
        engine: TensorRT's engine.
    """

    def __init__(self, trt: Any, gpu: Device, engine: Any) -> None:
        self._gpu, self._engine = gpu, engine
        self._calls = _calls(trt, engine)
        self._pieces: list[Buffer] = []

    def context(self, profile: int, prepare: Callable[[Any], bool], *, runs: bool = True) -> Prepared | None:
        """A new context.

        Args:
            profile: Number of its optimisation profile.
            prepare: Sets the context's profile and shape; False if TensorRT refuses them.
            runs: Whether it will run; for one that only tells shapes, no memory is allocated if that works.

        Returns:
            The context; None if TensorRT makes none, or refuses the profile or the shape.

        Raises:
            OutOfMemory: The GPU has no memory for the scratch.
        """
        engine, calls = self._engine, self._calls
        if calls:
            try:
                return self._sharing(calls, profile, prepare, runs=runs)
            except (AttributeError, TypeError, RuntimeError) as error:
                log.info("contexts of TensorRT have scratch memory of their own: %s", error)
                self._calls = None
        context = engine.create_execution_context()
        return Prepared(context, None) if context is not None and prepare(context) else None

    def _sharing(
        self, calls: _Calls, profile: int, prepare: Callable[[Any], bool], *, runs: bool
    ) -> Prepared | None:
        context, piece = calls.create(self._engine), None
        if context is None:
            return None
        if calls.before_shape:
            calls.give(context, piece := self._piece(calls.need(self._engine, profile)))
        if not prepare(context):
            return None
        if runs and piece is None:
            calls.give(context, piece := self._piece(calls.need(self._engine, profile)))
        return Prepared(context, piece)

    def _piece(self, need: int) -> Buffer:
        """The smallest piece that is large enough, or a new one.

        Raises:
            OutOfMemory: The GPU has no memory for it.
            RuntimeError: TensorRT does not tell how much it needs.
        """
        if need <= 0:
            raise RuntimeError(f"it says that a context needs {need} bytes")
        fitting = [piece for piece in self._pieces if piece.size >= need]
        if fitting:
            return min(fitting, key=lambda piece: piece.size)
        try:
            piece = Buffer(self._gpu, need)
        except self._gpu.driver.MemoryError as error:
            raise OutOfMemory(
                f"{self._gpu.name} has no memory for {-(-need >> 20)} MB of scratch: {error}"
            ) from None
        self._pieces.append(piece)
        return piece

    def missing(self, profile: int) -> int:
        """Bytes of the GPU's memory that the next context with this profile will allocate."""
        if self._calls is None:
            return 0
        need = self._calls.need(self._engine, profile)
        return 0 if any(piece.size >= need for piece in self._pieces) else max(need, 0)

    def keep(self, used: Iterable[Prepared]) -> None:
        """Free the pieces that none of these contexts has; there are no others, and none of them runs."""
        held = {id(one.piece) for one in used}
        for piece in [piece for piece in self._pieces if id(piece) not in held]:
            self._pieces.remove(piece)
            piece.free()

    def close(self) -> None:
        """Free everything; there are no contexts any more."""
        self.keep(())
        self._engine = None
