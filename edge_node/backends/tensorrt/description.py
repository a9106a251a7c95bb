"""What lies beside an engine or its model: class names, the order of the outputs, and the precision.

TensorRT does not keep the order of an ONNX file's outputs: 8.6 interleaves those of PicoDet. The order is
therefore kept in the file beside the engine. An engine that another tool wrote has no such file; then the
ONNX file beside it, with the same stem, tells.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_node.backends.interface import ModelFile, Tensor
from shared.errors import ModelError


@dataclass(frozen=True, slots=True)
class OnnxFacts:
    """What an ONNX file says about itself.

    Attributes:
        metadata: Texts by key, such as the class names.
        axes: Of its first input; -1 where the length is open. Empty if nothing is known.
        outputs: Names, in the file's order.
    """

    metadata: Mapping[str, str] = field(default_factory=dict)
    axes: tuple[int, ...] = ()
    outputs: tuple[str, ...] = ()

    @property
    def trained(self) -> int | None:
        """Longer side of the pictures that the model was trained with, pixels."""
        return ModelFile((), (), self.metadata).trained_size


@dataclass(frozen=True, slots=True)
class EngineFile:
    """An engine and what is known about it.

    Attributes:
        blob: The engine, as TensorRT takes it.
        metadata: Texts by key, such as the class names; with "precision" if it is known.
        outputs: Names in the order of the ONNX file; empty if nothing tells.
        model_sha256: Of the ONNX file that it was built from; None if nothing tells.
    """

    blob: bytes
    metadata: Mapping[str, str]
    outputs: tuple[str, ...]
    model_sha256: str | None = None


def sidecar(path: Path) -> Path:
    """The file beside an engine that holds its facts and metadata."""
    return path.with_name(path.name + ".json")


def seconds_of(facts: Path, level: int) -> float | None:
    """Seconds that the build of an engine took; None if nothing tells, or it had another level.

    Args:
        facts: The file beside the engine.
        level: Optimisation level of the build, which decides how long a build takes.
    """
    try:
        found = json.loads(facts.read_text(encoding="utf-8"))
        return float(found["seconds"]) if found["level"] == level else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def facts_of(model: Path) -> OnnxFacts:
    """What an ONNX file says; empty if ONNX Runtime cannot read the file."""
    import onnxruntime as ort  # only here: an engine that is built already runs without it

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception:  # noqa: BLE001 - ONNX Runtime does not know TensorRT's plugins: nothing is known then
        return OnnxFacts()
    shapes = [one.shape for one in session.get_inputs()]
    axes = tuple(axis if isinstance(axis, int) else -1 for axis in (shapes[0] if shapes else ()))
    names = tuple(one.name for one in session.get_outputs())
    return OnnxFacts(dict(session.get_modelmeta().custom_metadata_map), axes, names)


def read(path: Path) -> EngineFile:
    """An engine and its description, which is in a file beside it or, in Ultralytics' files, before it.

    Raises:
        ModelError: The file cannot be read.
    """
    try:
        blob = path.read_bytes()
        beside = sidecar(path)
        facts = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else {}
        found, outputs, precision = facts.get("metadata", {}), facts.get("outputs"), facts.get("precision")
        built_from = facts.get("model_sha256")
        found = dict(found.items())
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"model {path}: cannot be read: {error}") from None
    length = int.from_bytes(blob[:4], "little")
    if 2 <= length < len(blob) - 4 and blob[4:5] == b"{":
        try:
            found = {**json.loads(blob[4 : 4 + length]), **found}
            blob = blob[4 + length :]
        except ValueError:
            pass  # an engine whose first bytes only look like metadata
    onnx = path.with_suffix(".onnx")
    if not isinstance(outputs, list) and onnx.is_file():
        model = facts_of(onnx)
        outputs, found = list(model.outputs), {**model.metadata, **found}
    if isinstance(precision, str):
        found = {**found, "precision": precision}
    names = tuple(str(name) for name in outputs or ())
    return EngineFile(blob, _texts(found), names, built_from if isinstance(built_from, str) else None)


def _texts(found: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): value if isinstance(value, str) else json.dumps(value) for key, value in found.items()}


def in_order(tensors: Sequence[Tensor], names: Sequence[str]) -> tuple[Tensor, ...]:
    """An engine's outputs in the order of names; in the engine's own if the names are not the same."""
    by_name = {tensor.name: tensor for tensor in tensors}
    if len(names) != len(tensors) or set(names) != set(by_name):
        return tuple(tensors)
    return tuple(by_name[name] for name in names)
