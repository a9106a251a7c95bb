"""How long each layer of a network takes, as the engine that runs it says."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime as ort

from edge_node.backends.host import HostInput, PictureInput
from edge_node.backends.interface import Array, ModelFile
from edge_node.backends.onnx.backend import OnnxBackend
from edge_node.backends.preprocess import InputFormat
from edge_node.config.model_settings import ModelSettings
from edge_node.machine.hardware import usable_cores
from edge_node.pictures import U8
from shared.errors import ModelError

WARM_UP = 3
"""Runs before those that count: the first ones choose kernels and take memory."""
_SUFFIX = "_kernel_time"
"""What ONNX Runtime appends to a node's name in its trace."""


@dataclass(frozen=True, slots=True)
class LayerTime:
    """One layer, or all layers of an operator.

    Attributes:
        name: As the engine calls it; engines join layers and rename them.
        op: The operator; empty where the engine does not tell it.
        ms: Median of its time in a run, milliseconds.
        share: Its part of the time of all layers, 0..1.
    """

    name: str
    op: str
    ms: float
    share: float


@dataclass(frozen=True, slots=True)
class LayerTimes:
    """The times of a network's layers, the longest first.

    Attributes:
        engine: The engine and its version.
        device: The device that it ran on.
        rounds: Runs that count.
        run_ms: Median of a whole run, milliseconds, while it was profiled.
        layers: One by one.
        operators: Summed by operator; empty where the engine does not tell operators.
    """

    engine: str
    device: str
    rounds: int
    run_ms: float
    layers: list[LayerTime]
    operators: list[LayerTime]


def onnxruntime(path: Path, image: U8, target: InputFormat, *, rounds: int, threads: int) -> LayerTimes:
    """Time the nodes of an ONNX file in ONNX Runtime, on the processor.

    Args:
        path: The file.
        image: The picture to run it on, u8 ``(H, W, 3)``, BGR.
        target: The input that the network expects.
        rounds: Runs that count.
        threads: Of one inference; 0: every core.

    Raises:
        ModelError: ONNX Runtime cannot load or run the file.
    """
    backend = OnnxBackend(path, ModelSettings(providers=("cpu",)), fold=False)
    feeds = feeds_of(path, backend.model, image, target)
    backend.close()
    with tempfile.TemporaryDirectory(prefix="darner-profile-") as folder:
        options = ort.SessionOptions()
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "trace")
        options.intra_op_num_threads = threads or usable_cores()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            for _ in range(WARM_UP + rounds):
                session.run(None, feeds)
        except Exception as error:  # noqa: BLE001 - ONNX Runtime has no common base for its errors
            said = " ".join(str(error).split())  # which lengths it got and expected is in further lines
            raise ModelError(f"model {path}: ONNX Runtime cannot run it: {said}") from None
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    runs, nodes, ops = read_trace(events, WARM_UP)
    return ranked(f"onnxruntime {ort.__version__}", "cpu", runs, nodes, ops)


def read_trace(
    events: Iterable[dict[str, Any]], skip: int
) -> tuple[list[float], dict[str, list[float]], dict[str, str]]:
    """Read ONNX Runtime's trace.

    Args:
        events: The trace's events, in any order.
        skip: Runs at the beginning that do not count.

    Returns:
        Milliseconds of each run, milliseconds of each node by name, and operators by node.
    """
    known = [event for event in events if "dur" in event]
    runs = sorted((one for one in known if one.get("name") == "model_run"), key=lambda one: one["ts"])[skip:]
    nodes: dict[str, list[float]] = defaultdict(list)
    ops: dict[str, str] = {}
    begin = runs[0]["ts"] if runs else float("inf")
    for event in known:
        name = str(event.get("name"))
        if event.get("cat") == "Node" and name.endswith(_SUFFIX) and event["ts"] >= begin:
            name = name.removesuffix(_SUFFIX)
            nodes[name].append(event["dur"] / 1e3)
            ops[name] = str(event.get("args", {}).get("op_name", ""))
    return [one["dur"] / 1e3 for one in runs], nodes, ops


def feeds_of(path: Path, model: ModelFile, image: U8, target: InputFormat) -> dict[str, Array]:
    """The inputs of a network for one picture, by name."""
    feeds, _ = HostInput(model, PictureInput.of(model, str(path)))([image], target)
    return feeds


def ranked(
    engine: str, where: str, runs: Sequence[float], times: dict[str, list[float]], ops: dict[str, str]
) -> LayerTimes:
    """The times, summed up.

    Args:
        engine: The engine and its version.
        where: The device.
        runs: Milliseconds of each run.
        times: Milliseconds of each layer, by its name.
        ops: The operator of a layer, by the layer's name.

    Raises:
        ModelError: The engine reported no times.
    """
    medians = {name: statistics.median(found) for name, found in times.items()}
    total = sum(medians.values())
    if not runs or not total:
        raise ModelError(f"{engine} reported no times of layers")
    by_op: dict[str, float] = defaultdict(float)
    for name, ms in medians.items():
        if name in ops:
            by_op[ops[name]] += ms
    return LayerTimes(
        engine,
        where,
        len(runs),
        statistics.median(runs),
        [LayerTime(name, ops.get(name, ""), ms, ms / total) for name, ms in _longest(medians)],
        [LayerTime(op, op, ms, ms / total) for op, ms in _longest(by_op)],
    )


def _longest(times: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(times.items(), key=lambda one: (-one[1], one[0]))
