"""Width and height of a network's input, where the network leaves them open."""

from __future__ import annotations

import math
from dataclasses import replace

from edge_node.backends.host import PictureInput
from edge_node.backends.preprocess import InputFormat
from shared.errors import ConfigError

_STRIDE = 32
"""The coarsest stride of most networks, pixels."""
_DEFAULT_SIZE = 640
"""The size that most networks that take any size were trained at."""


def nominal_size(picture: PictureInput, configured: int | None, trained: int | None) -> tuple[int, int]:
    """Width and height of the input for a square picture.

    Args:
        picture: What the network takes.
        configured: `model.input_size`, if the user set it.
        trained: The size that the model's file names.

    Raises:
        ConfigError: The network does not take the configured size.
    """
    side = _multiple(configured or trained or _DEFAULT_SIZE)
    width, height = picture.width or side, picture.height or side
    if configured and configured not in (width, height):
        raise ConfigError(
            f"model.input_size={configured}: the model takes {width}x{height}; leave it out, "
            "or choose a multiple of 32 for a model that takes any size"
        )
    return width, height


def rectangular(square: InputFormat, width: int, height: int) -> InputFormat:
    """The input for a picture of this width and height: its longer side is that of the square."""
    scale = square.width / max(width, height)
    return replace(square, width=_multiple(width * scale), height=_multiple(height * scale))


def _multiple(pixels: float) -> int:
    """The next multiple of the stride."""
    return max(_STRIDE, math.ceil(round(pixels, 3) / _STRIDE) * _STRIDE)
