"""A network's outputs as its file describes them: their shapes, and the role of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edge_node.backends.interface import Array, Axis, ModelFile, Tensor

_NAMES = {
    "count": ("num_dets", "num_detections", "num"),
    "boxes": ("boxes", "det_boxes", "detection_boxes", "dets", "pred_boxes", "bboxes"),
    "scores": ("scores", "det_scores", "detection_scores"),
    "classes": ("classes", "labels", "det_classes", "detection_classes"),
    "logits": ("logits", "labels", "pred_logits"),
}


def observed(model: ModelFile, sample: Sequence[Array] | None) -> ModelFile:
    """The model with the shapes and types that its outputs had in a run.

    Args:
        model: What the model's file says, perhaps with dynamic axes.
        sample: The outputs for one picture, without any batch axis; None changes nothing.
    """
    if sample is None:
        return model
    batch: tuple[Axis, ...] = (1,) if model.has_batch_axis else ()
    outputs = (
        Tensor(output.name, (*batch, *array.shape), array.dtype.name)
        for output, array in zip(model.outputs, sample, strict=True)
    )
    return replace(model, outputs=tuple(outputs))


def describe(model: ModelFile) -> str:
    """Names, types and shapes of the outputs, on one line."""
    return ", ".join(
        f"{output.name} {output.dtype} ({', '.join(map(str, output.shape))})" for output in model.outputs
    )


def by_role(model: ModelFile, roles: Sequence[str]) -> dict[str, int]:
    """The index of each role's output: by its name, else by shape and type if only one output fits."""
    names = [output.name.split(":")[0].rsplit("/", 1)[-1].lower() for output in model.outputs]
    found: dict[str, int] = {}
    for role in roles:
        index = next((names.index(name) for name in _NAMES[role] if name in names), None)
        if index is not None and index not in found.values():
            found[role] = index
    for role in roles:
        fits = [
            index
            for index, output in enumerate(model.outputs)
            if index not in found.values() and _fits(role, output)
        ]
        if role not in found and len(fits) == 1:
            found[role] = fits[0]
    return found


def _fits(role: str, output: Tensor) -> bool:
    match role:
        case "boxes":
            return len(output.shape) >= 2 and output.shape[-1] in (4, 5, 6)
        case "classes":
            return len(output.shape) <= 2 and output.dtype.startswith("int")
        case "scores":
            return len(output.shape) <= 2 and output.dtype.startswith("float") and output.shape[-1] != 4
        case "logits":
            return len(output.shape) == 3 and output.shape[-1] != 4
    return False


def level_maps(model: ModelFile, bins: int) -> list[int]:
    """Indices of class maps, then of distribution maps, finest level first; empty if they do not pair."""
    shapes = [output.shape for output in model.outputs]
    if any(len(shape) != 3 or not isinstance(shape[1], int) for shape in shapes):
        return []
    half = len(shapes) // 2
    scores, boxes = range(half), range(half, len(shapes))
    if any(shapes[index][2] != 4 * bins for index in boxes):
        return []

    def finest_first(index: int) -> int:
        cell_count = shapes[index][1]
        return -cell_count if isinstance(cell_count, int) else 0

    order = [*sorted(scores, key=finest_first), *sorted(boxes, key=finest_first)]
    pairs = zip(order[:half], order[half:], strict=True)
    return order if all(shapes[a][1] == shapes[b][1] for a, b in pairs) else []
