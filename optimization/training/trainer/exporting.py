"""From a checkpoint to the ONNX file that a node runs, compared with the network that it comes from."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_node.detect.detector import Detector
from optimization import detectors
from optimization.graph import from_torch, graphs, parity
from optimization.training import lineage
from optimization.training.trainer.families import Choice
from shared.errors import ModelError

TOLERANCE = 1e-3
"""PyTorch and ONNX Runtime add in different orders. A larger difference means another network."""


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
    network.eval()
    network.head.export = True
    try:
        with tempfile.TemporaryDirectory() as folder:
            part = Path(folder) / "model.onnx"
            from_torch.convert(network, part, (side, side), graphs.OPSET, static=False)
            model = graphs.load(part)
            about = {"names": json.dumps(dict(enumerate(names))), "imgsz": json.dumps([side, side])}
            graphs.set_metadata(model, about | {"task": "detect", "description": choice.name})
            lineage.note(model, parent, data, by)
            graphs.save(model, part)
            with Detector(detectors.build(name=str(part), backend="onnxruntime")) as detector:
                target, layout = detector.input_format, detector.layout
                if tuple(detector.class_names) != tuple(names):
                    raise ModelError(f"{path}: the detector reads other class names than were written")
            if layout != choice.family.layout:
                raise ModelError(
                    f"{path}: the detector takes its outputs for {layout!r}, not {choice.family.layout!r}"
                )
            differences = parity.differences(
                from_torch.runner(network), graphs.runner(model), parity.feeds(target, shown)
            )
        worst = parity.check(differences, TOLERANCE)
    finally:
        network.head.export = False
    graphs.save(model, path)
    return worst
