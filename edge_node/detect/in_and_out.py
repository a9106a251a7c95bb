"""What goes into a network, and what comes out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_node.backends.interface import Array, Inference
from edge_node.backends.preprocess import InputFormat, Letterbox
from edge_node.detect.decode.candidates import candidates, suppress
from edge_node.detect.loading import Loaded
from edge_node.frames import Detections
from edge_node.pictures import Picture


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """A picture prepared for the network.

    Attributes:
        image: Letterboxed, u8 ``(H, W, 3)``, BGR, unless the engine letterboxes on its device.
        fit: How the picture lies in the input; None if the engine letterboxes.
        target: The input that the network takes for this picture.
        prepare_ms: Milliseconds of the preparation.
    """

    image: Picture
    fit: Letterbox | None
    target: InputFormat
    prepare_ms: float


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """What the engine gave for one picture.

    Attributes:
        arrays: The network's outputs in the family's order, without the batch axis; not needed with `found`.
        fit: How the picture lies in the input.
        target: The input that the network took.
        confidence: Lowest score that counts, 0..1.
        found: What the engine made of the outputs, as `Inference.found` has it; with those that score less,
            if other pictures of the batch wanted them. None: `arrays` have to be decoded.
    """

    arrays: list[Array]
    fit: Letterbox
    target: InputFormat
    confidence: float
    found: Detections | None = None


Outputs = tuple[list[Output], dict[str, float]]
"""The output for each picture of a batch, and the milliseconds of each step for the whole batch."""
Ran = tuple[Loaded, Inference]
"""The network that a batch ran in, and what it gave."""


def outputs_of(
    inputs: Sequence[Input], least: Sequence[float], parts: Sequence[tuple[list[int], Ran]]
) -> Outputs:
    """The outputs of a batch in the order of its inputs, from the parts in which it ran.

    Args:
        inputs: The pictures of the batch.
        least: Lowest score for each.
        parts: Indices of the pictures that ran together, and what they ran in with their results.
    """
    outputs: dict[int, Output] = {}
    preprocess_ms, inference_ms = sum(one.prepare_ms for one in inputs), 0.0
    for indices, (ran, inference) in parts:
        finished = inference.found or [None] * len(indices)
        for index, arrays, fit, found in zip(
            indices, inference.outputs, inference.fits, finished, strict=True
        ):
            one, ordered = inputs[index], [arrays[place] for place in ran.order] if arrays else []
            outputs[index] = Output(ordered, one.fit or fit, one.target, least[index], found)
        preprocess_ms += inference.preprocess_ms
        inference_ms += inference.inference_ms
    timings = {"preprocess": round(preprocess_ms, 3), "inference": round(inference_ms, 3)}
    return [outputs[index] for index in range(len(inputs))], timings


def found_in(output: Output, network: Loaded, iou: float, most: int) -> Detections:
    """Detections in pixels of the picture, best first.

    Args:
        output: Of the picture.
        network: What it ran in.
        iou: Overlap from which on of two boxes the better one is kept, 0..1.
        most: Maximum number of detections.
    """
    found = output.found
    if found is not None:
        if len(found) and found.score[-1] < output.confidence:
            # Boxes are suppressed only by better ones, so those that score enough are the same.
            return found[found.score >= output.confidence]
        return found
    found = candidates(network.family, output.arrays, output.target, network.wanted, output.confidence)
    found = suppress(network.family, found, iou, most)
    xyxy, score = output.fit.to_source(found.xyxy), np.minimum(found.score, 1.0)
    all_found = Detections(xyxy, score, found.class_id)
    # A box in the bars around the picture shows nothing.
    visible = (xyxy[:, 0] < xyxy[:, 2]) & (xyxy[:, 1] < xyxy[:, 3])
    return all_found if visible.all() else all_found[visible]
