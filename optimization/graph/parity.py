"""Do two versions of a network give the same outputs?"""

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
from edge_node.frames import U8
from optimization import pictures
from shared.errors import DarnerError, ModelError
from shared.geometry import F32

Arrays = Sequence[npt.NDArray[np.generic]]
Network = Callable[[F32], Arrays]
"""Takes the input f32 ``(N, 3, H, W)`` and gives the outputs."""
_REAL = 4


@dataclass(frozen=True, slots=True)
class Difference:
    """How far one output is off on one input.

    Attributes:
        shown: "random" or a picture's name.
        output: Its index.
        absolute: Largest difference.
        relative: The same, as a part of the output's largest value.
        rms: Root mean square of the difference, as a part of the output's own.
    """

    shown: str
    output: int
    absolute: float
    relative: float
    rms: float


def feeds(target: InputFormat, images: Path | None) -> list[tuple[str, F32]]:
    """Noise, and real pictures as the detector prepares them.

    Args:
        target: Of the network.
        images: Folder of pictures; None takes a frame of the demo video if it was ever downloaded.

    Returns:
        Name and tensor f32 ``(1, 3, H, W)``.

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
    """What the detector would give a network; for one it cannot read, RGB from 0 to 1.

    Args:
        settings: Which network.
        shape: Of its input, ``(N, 3, H, W)``; a text is a dynamic axis.
        size: Width and height of one that takes any and cannot be read.
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
    """Run both on every input.

    Args:
        reference: What is right.
        candidate: What is checked.
        shown: Names and inputs.

    Raises:
        ModelError: They differ in the number or shapes of outputs, or the candidate gives what is no number.
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
    """The largest relative difference.

    Args:
        found: Of all inputs and outputs.
        tolerance: Most that is accepted.
        measure: Of the worst value, where both must be the same; of all, where precision was given up.

    Raises:
        ModelError: It is beyond the tolerance.
    """
    worst = max(found, key=lambda item: getattr(item, measure))
    value = float(getattr(worst, measure))
    if not value <= tolerance:
        raise ModelError(
            f"the result differs: output {worst.output} by up to {worst.absolute:.3g} on {worst.shown} "
            f"({measure} {value:.1e}, {tolerance:.0e} allowed); nothing was written"
        )
    return value
