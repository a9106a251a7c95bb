"""From a checkpoint to the ONNX file that a node runs, compared with the network that it comes from."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from edge_node.detect.detector import Detector
from optimization import detectors
from optimization.graph import from_torch, graphs, parity
from optimization.training import lineage
from optimization.training.trainer import networks
from optimization.training.trainer.families import Choice
from shared.errors import ModelError
from shared.geometry import F32, F64

TOLERANCE = 1e-3
"""PyTorch and ONNX Runtime add in different orders. A larger difference means another network."""
_MISSING = 0.02
"""Largest share of queries that only one of two networks keeps, where scores are nearly the same."""


def export(
    network: Any,
    choice: Choice,
    path: Path,
    *,
    side: int,
    names: Sequence[str],
    shown: Path | None,
    parent: Path | None = None,
    data: str = "",
    by: str = "",
) -> float:
    """Write a network as ONNX, with batch and size that vary.

    Args:
        network: In PyTorch, on the processor.
        choice: What it is.
        path: The file; it appears when it is complete and the detector has read it.
        side: Width and height of the input that it was trained for, pixels.
        names: Of its classes.
        shown: Folder of pictures to compare the two on, besides noise.
        parent: The file whose weights it started with.
        data: The training data's SHA-256.
        by: What made it.

    Returns:
        The largest difference of an output, as a share of the largest output.

    Raises:
        ModelError: PyTorch cannot export it, the outputs differ, or the detector cannot read it.
        ConfigError: The file cannot be written.
    """
    with networks.exportable(network, choice) as (exported, outputs), tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "model.onnx"
        from_torch.convert(exported, part, (side, side), graphs.OPSET, static=bool(outputs))
        model = graphs.load(part)
        _rename(model, outputs)
        about = {"names": json.dumps(dict(enumerate(names))), "imgsz": json.dumps([side, side])}
        graphs.set_metadata(model, about | {"task": "detect", "description": choice.name})
        lineage.note(model, parent, data, by)
        graphs.save(model, part)
        with Detector(detectors.build(name=str(part), backend="onnxruntime")) as detector:
            target, layout, read = detector.input_format, detector.layout, tuple(detector.class_names)
        if layout != choice.family.layout or read != tuple(names):
            raise ModelError(
                f"{path}: the detector takes it for {layout!r} with the classes {', '.join(read)}, but it is "
                f"{choice.family.layout!r} with {', '.join(names)}"
            )
        worst = _compare(
            from_torch.runner(exported), graphs.runner(model), parity.feeds(target, shown), outputs
        )
    graphs.save(model, path)
    return worst


def _rename(model: onnx.ModelProto, names: Sequence[str]) -> None:
    """Give the outputs the names by which the detector knows them."""
    for output, name in zip(list(model.graph.output), names, strict=False):
        for node in model.graph.node:
            node.output[:] = [name if one == output.name else one for one in node.output]
            node.input[:] = [name if one == output.name else one for one in node.input]
        output.name = name


def _compare(
    reference: parity.Network,
    candidate: parity.Network,
    shown: Sequence[tuple[str, F32]],
    outputs: Sequence[str],
) -> float:
    """Check that both give the same, and return the difference; queries of one score may change places."""
    if not outputs:
        return parity.check(parity.differences(reference, candidate, shown), TOLERANCE)
    worst = 0.0
    for name, tensor in shown:
        ours, theirs = _rows(reference, tensor), _rows(candidate, tensor)
        apart = np.abs(ours[:, None] - theirs).max(axis=2)
        off = np.concatenate([apart.min(axis=0), apart.min(axis=1)])
        same = off[off <= TOLERANCE]
        if len(same) < (1 - _MISSING) * len(off):
            raise ModelError(
                f"the result differs: on {name}, {len(off) - len(same)} of {len(off)} queries have no equal "
                "in the other network; nothing was written"
            )
        worst = max(worst, float(same.max()))
    return worst


def _rows(network: parity.Network, tensor: F32) -> F64:
    """What each query returns: its box in fractions of the picture, and its scores."""
    logits, boxes = (output[0].astype(np.float64) for output in network(tensor))
    return np.hstack([boxes, 1 / (1 + np.exp(-logits))])
