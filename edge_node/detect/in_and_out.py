"""What goes into a network, and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass

from edge_node.backends.interface import Array
from edge_node.backends.preprocess import InputFormat, Letterbox
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
