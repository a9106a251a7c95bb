"""Whether two versions of a network give the same outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from edge_node.assets.download import cache_dir
from edge_node.assets.samples import NAME
from edge_node.backends.preprocess import InputFormat, Preprocessor
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from edge_node.pictures import U8
from optimization import pictures
from shared.errors import DarnerError, ModelError
from shared.geometry import F32

Arrays = Sequence[npt.NDArray[np.generic]]
Network = Callable[[F32], Arrays]
"""A function from a network's input, f32 ``(N, 3, H, W)``, to its outputs."""
_REAL = 4
_MISSING = 0.02
"""Largest share of boxes that only one of two networks keeps."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How far one output is off for one input.

    Attributes:
        shown: Name of the input: "random" or the name of a picture.
        output: Index of the output.
        absolute: Largest difference.
        relative: Largest difference, divided by the output's largest value.
        rms: Root mean square of the difference, divided by that of the output.
    """

    shown: str
    output: int
    absolute: float
    relative: float
    rms: float


def feeds(target: InputFormat, images: Path | None) -> list[tuple[str, F32]]:
    """Prepare inputs as the detector does: noise, and real pictures.

    Args:
        target: The network's input.
        images: Folder of pictures; None takes a frame of the demo video if it is downloaded already.

    Returns:
        Names and tensors f32 ``(1, 3, H, W)``.

    Raises:
        SourceError: The folder has no pictures.
    """
    noise = np.random.default_rng(0).integers(0, 256, (target.height, target.width, 3), np.uint8)
    shown: list[tuple[str, U8]] = [("random", noise)]
    if images is not None:
        shown += [(path.name, pictures.read(path)) for path in pictures.find(images, _REAL)]
    elif (video := cache_dir() / "videos" / NAME).is_file():
        shown.append((NAME, pictures.first_frame(video)))
    preprocess = Preprocessor(target)
    return [(name, preprocess(image)[0].copy()) for name, image in shown]


def input_format(
    settings: ModelSettings, shape: Sequence[int | str], size: tuple[int, int] = (640, 640)
) -> InputFormat:
    """The input that the detector would give a network; RGB from 0 to 1 if it cannot read the network.

    Args:
        settings: Settings that name the network.
        shape: Shape of its input, ``(N, 3, H, W)``; a dynamic axis has a text.
        size: Width and height for a network with dynamic axes that the detector cannot read.
    """
    try:
        with Detector(settings) as detector:
            return detector.input_format
    except DarnerError:
        height, width = (
            length if isinstance(length, int) else want
            for length, want in zip(shape[2:], size[::-1], strict=True)
        )
        return InputFormat(width, height)


def differences(reference: Network, candidate: Network, shown: Sequence[tuple[str, F32]]) -> list[Difference]:
    """Run two networks on every input and compare their outputs.

    Args:
        reference: The network whose outputs are right.
        candidate: The network to check.
        shown: Names and inputs.

    Raises:
        ModelError: The outputs differ in number or shape, or the candidate gives infinity or NaN.
    """
    found = []
    for name, tensor in shown:
        expected, got = reference(tensor), candidate(tensor)
        if len(expected) != len(got):
            raise ModelError(f"{len(got)} outputs instead of {len(expected)}")
        for index, (right, given) in enumerate(zip(expected, got, strict=True)):
            if right.shape != given.shape:
                raise ModelError(f"output {index} is {list(given.shape)} on {name}, not {list(right.shape)}")
            a, b = right.astype(np.float64), given.astype(np.float64)
            if not np.isfinite(b).all() and np.isfinite(a).all():
                raise ModelError(f"output {index} holds infinite values on {name}")
            absolute = float(np.abs(a - b).max(initial=0.0))
            relative = absolute / (float(np.abs(a).max(initial=0.0)) or 1.0)
            rms = float(np.linalg.norm(a - b)) / (float(np.linalg.norm(a)) or 1.0)
            found.append(Difference(name, index, absolute, relative, rms))
    return found


def check(
    found: Sequence[Difference], tolerance: float, measure: Literal["relative", "rms"] = "relative"
) -> float:
    """Check that the largest difference is acceptable, and return it.

    Args:
        found: Differences of all inputs and outputs.
        tolerance: Largest difference that is accepted.
        measure: "relative" looks at the worst value, for networks that must be the same. "rms" looks at all
            values, for networks in lower precision.

    Raises:
        ModelError: The difference is larger.
    """
    worst = max(found, key=lambda item: getattr(item, measure))
    value = float(getattr(worst, measure))
    if not value <= tolerance:
        raise ModelError(
            f"the result differs: output {worst.output} by up to {worst.absolute:.3g} on {worst.shown} "
            f"({measure} {value:.1e}, {tolerance:.0e} allowed); nothing was written"
        )
    return value


def check_chosen(
    reference: Network,
    candidate: Network,
    shown: Sequence[tuple[str, F32]],
    names: Sequence[str],
    tolerance: float,
) -> float:
    """Check that two networks that choose boxes themselves choose the same ones, and return the difference.

    Boxes whose scores are nearly the same may change places, and one at the lowest score may be missing. Of
    two boxes that overlap by just as much as NMS allows, one network may keep one and drop the other; such
    cases are few.

    Args:
        reference: The network whose outputs are right.
        candidate: The network to check.
        shown: Names and inputs.
        names: What the outputs are: "boxes", "labels" and "scores" in the networks' order.
        tolerance: Largest difference of a box in fractions of the picture, or of a score.

    Returns:
        The largest difference of a box that both have.

    Raises:
        ModelError: Too many boxes of one network are missing in the other.
    """
    off: list[float] = []
    for _, tensor in shown:
        right, given = (dict(zip(names, of(tensor), strict=True)) for of in (reference, candidate))
        edge = tolerance + min(float(of["scores"].min(initial=1.0)) for of in (right, given))
        for one, other in ((right, given), (given, right)):
            rows, others = _rows(one, tensor), _rows(other, tensor)
            off += [
                float(np.abs(others - row).max(axis=1).min(initial=np.inf)) for row in rows[rows[:, 4] > edge]
            ]
    same = [value for value in off if value <= tolerance]
    if len(same) < (1 - _MISSING) * len(off):
        raise ModelError(
            f"the result differs: of {len(off)} boxes {len(off) - len(same)} are missing or off by more than "
            f"{tolerance:.0e}; nothing was written"
        )
    return max(same, default=0.0)


def _rows(found: dict[str, npt.NDArray[np.generic]], tensor: F32) -> npt.NDArray[np.float64]:
    """Boxes in fractions of the picture, scores and labels, ``(N, 6)``."""
    height, width = tensor.shape[2:]
    boxes = found["boxes"].astype(np.float64) / (width, height, width, height)
    return np.column_stack([boxes, found["scores"].astype(np.float64), found["labels"].astype(np.float64)])
