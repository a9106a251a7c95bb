"""ONNX to a TensorRT engine, for the engine cache and for `darner-optimize build`.

TensorRT 8.6 and 10 choose precisions by builder flags; 11 and TensorRT for RTX have no such flags and take
precisions from the model (strongly typed). `hasattr` finds out what a version has.
"""

from __future__ import annotations

import logging
import re
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_node.assets.download import sha256
from edge_node.backends.sizes import DEFAULT_SIDE, STRIDE, multiple
from edge_node.backends.tensorrt.calibration import Calibration, calibrate
from edge_node.backends.tensorrt.description import OnnxFacts, facts_of
from edge_node.backends.tensorrt.module import logger as logger_of
from edge_node.backends.tensorrt.precision import refuse_int8, set_precision
from edge_node.backends.tensorrt.progress import reported
from edge_node.config.model_settings import Precision
from shared.errors import ModelError

log = logging.getLogger(__name__)
Batches = tuple[int, int, int]
Size = tuple[int, int]
"""Height and width of an input, pixels."""
MB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """How to build an engine.

    Attributes:
        precision: "auto" allows half precision if the version has a flag for it, else takes the model's own.
        profiles: Smallest, best and largest batch of each profile, for models that leave the batch open.
        sizes: Smallest, best and largest size of the input, for models that leave it open; None: every aspect
            up to a square of `side`.
        side: Longer side of the input in pixels, for such models; 0: the one in the model's metadata.
        square: Whether the input is only that square.
        workspace_mb: Maximum scratch memory for a layer, in megabytes.
        level: 0 to 5: a higher level takes more time to look for faster kernels. Up to 2, TensorRT takes the
            kernels that it brings; from 3 on, it also compiles some.
        dla: Core of a Jetson's deep learning accelerator; the GPU runs the layers that the core cannot.
        capability: Compute capability to build for; None for the GPU of this machine. Only TensorRT for RTX
            can build for another GPU.
    """

    precision: Precision = "auto"
    profiles: tuple[Batches, ...] = ((1, 1, 1), (1, 8, 16))
    sizes: tuple[Size, Size, Size] | None = None
    side: int = 0
    square: bool = False
    workspace_mb: int = 2048
    level: int = 2
    dla: int | None = None
    capability: tuple[int, int] | None = None


@dataclass(frozen=True)
class Built:
    """A serialised engine, the facts about it, and the model's metadata."""

    engine: bytes
    timing_cache: bytes
    seconds: float
    description: dict[str, Any]
    metadata: Mapping[str, str]


def build(
    trt: Any,
    model: Path,
    options: BuildOptions,
    *,
    timing_cache: bytes = b"",
    calibration: Calibration | None = None,
    progress: Callable[[str], None] = log.info,
    last_s: float | None = None,
) -> Built:
    """Build an engine.

    Args:
        trt: The module.
        model: An ONNX file.
        options: How to build it.
        timing_cache: Of an earlier build on the same GPU; may be empty.
        calibration: Makes INT8 of a model that is not quantized; None: TensorRT measures nothing.
        progress: Called with a line of text from time to time.
        last_s: Seconds that an earlier build of the model took, named in these lines; None: not known.

    Raises:
        ModelError: TensorRT cannot build an engine of the model; the text has the reason.
        KeyboardInterrupt: The user interrupted it.
    """
    with warnings.catch_warnings():
        # 8.6 has only the names that newer versions call deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        return _build(trt, model, options, timing_cache, calibration, progress, last_s)


def _build(
    trt: Any,
    model: Path,
    options: BuildOptions,
    timing_cache: bytes,
    calibration: Calibration | None,
    progress: Callable[[str], None],
    last_s: float | None,
) -> Built:
    started = time.monotonic()
    logger = logger_of(trt)
    weak = hasattr(trt.BuilderFlag, "FP16")
    known = facts_of(model)
    _refuse(trt, model, options, known, weak=weak, calibrated=calibration is not None)
    builder = _builder(trt, logger)
    network = builder.create_network(_network_flags(trt, weak=weak))
    _parse(trt, logger, network, model)
    config = builder.create_builder_config()
    _configure(trt, builder, config, options)
    calibrated = calibration is not None
    precision = set_precision(
        trt, config, network, options.precision, weak=weak, calibrated=calibrated, model=model
    )
    shapes = _shapes(builder, config, network, options, known.trained, model)
    measured: dict[str, Any] = {}
    if calibration is not None:
        dla = options.dla is not None
        kept = calibrate(trt, builder, config, network, shapes[0][1], calibration, dla=dla)
        measured["kept_float"] = kept
    cache = config.create_timing_cache(timing_cache)
    if cache is not None:
        config.set_timing_cache(cache, False)
    with reported(trt, config, model.name, progress, last_s):
        engine = builder.build_serialized_network(network, config)
    if engine is None:
        reason = logger.reason()
        raise ModelError(f"model {model}: TensorRT cannot build an engine of it{reason}")
    seconds = time.monotonic() - started
    timings = bytes(cache.serialize()) if cache is not None else b""
    facts = {
        "tensorrt": trt.__version__,
        "model_sha256": sha256(model),
        "precision": precision,
        **measured,
        "level": options.level,
        "profiles": shapes,
        "outputs": list(known.outputs) or [network.get_output(i).name for i in range(network.num_outputs)],
        "seconds": round(seconds, 1),
    }
    return Built(bytes(engine), timings, seconds, facts, known.metadata)


def _refuse(
    trt: Any, model: Path, options: BuildOptions, known: OnnxFacts, *, weak: bool, calibrated: bool
) -> None:
    """Refuse what is known to be wrong before the builder starts, which takes many seconds on some GPUs.

    Raises:
        ModelError: The options contradict this version of TensorRT or the model.
    """
    if options.capability:
        if not hasattr(trt.IBuilderConfig, "set_compute_capability"):
            raise ModelError(f"TensorRT {trt.__version__} builds only for the GPU it runs on")
        name = capability_name(options.capability)
        if not hasattr(trt.ComputeCapability, name):
            raise ModelError(f"TensorRT {trt.__version__} does not know compute capability {name}")
    if len(known.axes) == 4:
        _sizes((known.axes[2], known.axes[3]), options, known.trained, model)
    # QuantizeLinear or DequantizeLinear: the names of operators stand in the file as plain text.
    quantized = (options.precision == "int8" or calibrated) and b"uantizeLinear" in model.read_bytes()
    if calibrated and not hasattr(trt, "IInt8EntropyCalibrator2"):
        refuse_int8(trt, model, weak=False)
    if calibrated and quantized:
        raise ModelError(f"model {model}: is quantized already: build it without --calibrate")
    if options.precision == "int8" and not calibrated and not quantized:
        refuse_int8(trt, model, weak=weak)


def capability_name(capability: tuple[int, int]) -> str:
    """TensorRT's name of a compute capability."""
    return "SM{}{}".format(*capability)


def _builder(trt: Any, logger: Any) -> Any:
    logger.reason()  # forgets earlier errors
    logger.operator = ""
    trt.init_libnvinfer_plugins(logger, "")
    try:
        return trt.Builder(logger)
    except Exception as error:  # noqa: BLE001 - pybind11 raises TypeError when the constructor gives nothing
        raise ModelError(
            f"TensorRT cannot start: {error}{logger.reason()}; is there an NVIDIA GPU?"
        ) from None


def _network_flags(trt: Any, *, weak: bool) -> int:
    """The flags for a network with explicit batch that is strongly typed if there are no precision flags."""
    flags = trt.NetworkDefinitionCreationFlag
    wanted = [
        name for name in ("EXPLICIT_BATCH", *(() if weak else ("STRONGLY_TYPED",))) if hasattr(flags, name)
    ]
    return sum(1 << int(getattr(flags, name)) for name in wanted)


def _parse(trt: Any, logger: Any, network: Any, model: Path) -> None:
    parser = trt.OnnxParser(network, logger)
    # From the file, so that the parser finds weights beside it.
    if parser.parse_from_file(str(model)):
        return
    for index in range(parser.num_errors):
        error = parser.get_error(index)
        found = re.search(r"(?:registered for op|op_type)\W+(\w+)", error.desc())
        name = getattr(error, "node_operator", lambda: "")() or (found.group(1) if found else logger.operator)
        where = getattr(error, "node_name", lambda: "")() or f"node {error.node()}"
        what = f"operator {name} ({where})" if name else where
        raise ModelError(
            f"model {model}: TensorRT {trt.__version__} cannot take {what}: {error.desc().strip()}"
        )
    raise ModelError(f"model {model}: TensorRT cannot read it{logger.reason()}")


def _configure(trt: Any, builder: Any, config: Any, options: BuildOptions) -> None:
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mb * MB)
    config.builder_optimization_level = options.level
    # Before 10, a profile is for one execution context only unless this is set.
    sharing = getattr(getattr(trt, "PreviewFeature", None), "PROFILE_SHARING_0806", None)
    if sharing is not None and not config.get_preview_feature(sharing):
        config.set_preview_feature(sharing, True)
    if options.capability:
        config.num_compute_capabilities = 1
        chosen = getattr(trt.ComputeCapability, capability_name(options.capability))
        config.set_compute_capability(chosen, 0)
    if options.dla is not None:
        if options.dla >= builder.num_DLA_cores:
            raise ModelError(f"no DLA core {options.dla}: this machine has {builder.num_DLA_cores}")
        config.default_device_type = trt.DeviceType.DLA
        config.DLA_core = options.dla
        config.set_flag(trt.BuilderFlag.GPU_FALLBACK)


def _shapes(
    builder: Any, config: Any, network: Any, options: BuildOptions, trained: int | None, model: Path
) -> list[list[list[int]]]:
    """Add the optimisation profiles; return the input's shapes in each of them."""
    tensor = network.get_input(0)
    axes = [int(axis) for axis in tensor.shape] if tensor else []
    if len(axes) != 4 or axes[1] != 3 or network.num_inputs != 1:
        raise ModelError(f"model {model}: needs one input (N, 3, height, width), has {axes}")
    sizes = _sizes((axes[2], axes[3]), options, trained, model)
    if min(axes) > 0:
        return [[axes] * 3]
    profiles = options.profiles if axes[0] < 0 else ((axes[0],) * 3,)
    found = []
    for batches in profiles:
        shapes = [[batch, 3, *size] for batch, size in zip(batches, sizes, strict=True)]
        profile = builder.create_optimization_profile()
        profile.set_shape(tensor.name, *shapes)
        if config.add_optimization_profile(profile) < 0:
            raise ModelError(f"model {model}: TensorRT refuses {shapes}: smallest, best and largest input")
        found.append(shapes)
    return found


def _sizes(own: Size, options: BuildOptions, trained: int | None, model: Path) -> tuple[Size, Size, Size]:
    """Smallest, best and largest size of the input.

    One engine takes every aspect up to a square, because the cameras' are not known when it is built. It is
    made to be fast at 16:9. A Jetson's DLA takes only one size.

    Args:
        own: What the model's file says; below 0 where it leaves the length open.
        options: How to build.
        trained: Longer side of the pictures that the model was trained with, pixels.
        model: Named in the error.

    Raises:
        ModelError: The options contradict the model.
    """
    for wanted in options.sizes or ():
        if any(have > 0 and have != want for have, want in zip(own, wanted, strict=True)):
            raise ModelError(f"model {model}: its input is {own[1]}x{own[0]}, not {wanted[1]}x{wanted[0]}")
    if options.sizes:
        return options.sizes
    side = multiple(options.side or trained or DEFAULT_SIDE)
    largest = (side, side)
    sizes = (STRIDE, STRIDE), (multiple(side * 9 / 16), side), largest
    if options.square or options.dla is not None:
        sizes = largest, largest, largest
    low, best, high = (tuple(h if h > 0 else w for h, w in zip(own, size, strict=True)) for size in sizes)
    return (low[0], low[1]), (best[0], best[1]), (high[0], high[1])
