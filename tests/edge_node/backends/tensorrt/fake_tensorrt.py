"""TensorRT's module with one engine in it, as each version has it; what a version lacks, its stand-in lacks.

The names come from the Python interfaces that NVIDIA publishes. Memory is that of the fake GPU, so a context
that runs in memory which nobody gave it, or which is freed, is noticed.
"""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

NO_MEMORY = "[defaultAllocator.cpp::allocate::19] Error Code 1: Cuda Runtime (out of memory)"
TAKEN = "Error Code 3: API Usage Error (Profile 0 has been chosen by another IExecutionContext)"
SHAPE = (2, 3, 416, 416)
Rows = list[tuple[int, ...]]
PROFILES: list[Rows] = [[(1, 3, 320, 320), (8, 3, 416, 416), (16, 3, 640, 640)]]


class ILogger:
    Severity = SimpleNamespace(INTERNAL_ERROR=0, ERROR=1, WARNING=2)


class Context:
    """An execution context.

    Attributes:
        memory: Address and size of the scratch memory that it was given; None: it has its own.
    """

    def __init__(self, trt: FakeTrt, *, own: bool = True) -> None:
        self._trt, self.shape, self._profile = trt, SHAPE, 0
        self.addresses: dict[str, int] = {}
        self.memory: tuple[int, int] | None = None if own else (0, 0)
        trt.contexts += 1
        trt.own += own

    def __del__(self) -> None:
        self._trt.contexts -= 1

    def set_optimization_profile_async(self, index: int, _stream: int) -> bool:
        if self._trt.exclusive and self._trt.contexts > 1:
            self._trt.log.log(ILogger.Severity.ERROR, TAKEN)
            raise RuntimeError("Error in set optimization profile async.")  # the Python interface's False
        self._profile = index
        return True

    def set_input_shape(self, _name: str, shape: tuple[int, int, int, int]) -> bool:
        self.shape = shape
        return True

    def get_tensor_shape(self, _name: str) -> tuple[int, ...]:
        return (self.shape[0], 84, 3549)

    def set_tensor_address(self, name: str, address: int) -> None:
        self.addresses[name] = address

    def execute_async_v3(self, _stream: int) -> bool:
        if self.memory is not None:
            address, size = self.memory
            assert self._trt.gpu.live.get(address) == size, "runs in memory that is not there"
            assert size >= self._trt.needs[self._profile], "runs in too little memory"
        self._trt.ran.append((id(self), self.shape, tuple(self.addresses.values())))
        self._trt.named = dict(self.addresses)
        return self._trt.works()


class Context86(Context):
    def __setattr__(self, name: str, value: Any) -> None:
        if name == "device_memory":  # only to be set
            if not isinstance(value, int):
                raise TypeError("(): incompatible function arguments")
            self.memory = value, self._trt.gpu.live[value]
            return
        super().__setattr__(name, value)


class Context101(Context):
    def set_device_memory(self, memory: int, size: int) -> None:
        self.memory = memory, size


class FakeTrt(ModuleType):
    """The module, with one engine in it; contexts have memory of their own.

    Attributes:
        gpu: The driver whose memory it uses.
        most: Contexts that may be at a time, and `why` there are no more.
        exclusive: Whether a profile is for one context only, as in 8.6 without profile sharing.
        fails: What running says, if it fails.
        needs: Bytes of scratch memory for each profile.
        outputs: Names of the outputs, in the engine's order.
        named: Addresses by name of the tensor, in the latest run.
        contexts: How many there are, and how many were made with memory of their `own`.
    """

    __version__ = "11.0"
    ILogger = ILogger
    TensorIOMode = SimpleNamespace(INPUT="in", OUTPUT="out")

    def __init__(self) -> None:
        super().__init__("tensorrt")
        self.gpu: Any = None
        self.most, self.why, self.fails, self.contexts, self.own = 100, NO_MEMORY, "", 0, 0
        self.exclusive = False
        self.profiles: list[Rows] = PROFILES
        self.needs = [1000]
        self.outputs: tuple[str, ...] = ("output0",)
        self.named: dict[str, int] = {}
        self.ran: list[tuple[int, tuple[int, ...], tuple[int, ...]]] = []

    def init_libnvinfer_plugins(self, _log: Any, _name: str) -> None: ...

    def Runtime(self, log: Any) -> Any:  # noqa: N802 - TensorRT's name
        self.log = log
        return SimpleNamespace(deserialize_cuda_engine=lambda _blob: self)

    @property
    def num_io_tensors(self) -> int:
        return 1 + len(self.outputs)

    @property
    def num_optimization_profiles(self) -> int:
        return len(self.profiles)

    def get_tensor_name(self, index: int) -> str:
        return ("images", *self.outputs)[index]

    def get_tensor_dtype(self, _name: str) -> Any:
        return SimpleNamespace(name="FLOAT")

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (-1, 3, -1, -1) if name == "images" else (-1, 84, -1)

    def get_tensor_mode(self, name: str) -> str:
        return "in" if name == "images" else "out"

    def get_tensor_profile_shape(self, _name: str, index: int) -> Rows:
        return self.profiles[index]

    def create_execution_context(self) -> Context | None:
        return self.made(Context)

    def made(self, kind: type[Context], *, own: bool = True) -> Context | None:
        if self.contexts >= self.most:
            self.log.log(ILogger.Severity.ERROR, self.why)
            return None
        return kind(self, own=own)

    def works(self) -> bool:
        if self.fails:
            self.log.log(ILogger.Severity.ERROR, self.fails)
        return not self.fails


class FakeTrt86(FakeTrt):
    __version__ = "8.6.1"

    @property
    def device_memory_size(self) -> int:
        return max(self.needs)

    def create_execution_context(self) -> Context | None:
        return self.made(Context86)

    def create_execution_context_without_device_memory(self) -> Context | None:
        return self.made(Context86, own=False)


class FakeTrt100(FakeTrt86):
    """10.0: a strategy, but sizes only of the old kind."""

    __version__ = "10.0.1"
    ExecutionContextAllocationStrategy = SimpleNamespace(STATIC="static", USER_MANAGED="ours")

    def create_execution_context(self, strategy: str = "static") -> Context | None:
        return self.made(Context86, own=strategy == "static")


class FakeTrt103(FakeTrt100):
    __version__ = "10.3.0"

    def get_device_memory_size_for_profile_v2(self, index: int) -> int:
        return self.needs[index]

    def create_execution_context(self, strategy: str = "static") -> Context | None:
        return self.made(Context101, own=strategy == "static")


class FakeTrt11(FakeTrt):
    __version__ = "11.0.0"
    ExecutionContextAllocationStrategy = FakeTrt100.ExecutionContextAllocationStrategy
    get_device_memory_size_for_profile_v2 = FakeTrt103.get_device_memory_size_for_profile_v2

    def create_execution_context(self, strategy: str = "static") -> Context | None:
        return self.made(Context101, own=strategy == "static")
