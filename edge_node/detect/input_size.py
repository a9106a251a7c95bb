"""Width and height of a network's input, where the network leaves them open."""

from __future__ import annotations

from dataclasses import replace

from edge_node.assets.models import KNOWN
from edge_node.backends.host import PictureInput
from edge_node.backends.preprocess import InputFormat
from edge_node.backends.sizes import DEFAULT_SIDE, multiple
from edge_node.config.model_settings import ModelSettings
from shared.errors import ConfigError


def nominal_size(picture: PictureInput, configured: int | None, trained: int | None) -> tuple[int, int]:
    """Width and height of the input for a square picture.

    Args:
        picture: What the network takes.
        configured: `model.input_size`, if the user set it.
        trained: The size that the model's file names.

    Raises:
        ConfigError: The network does not take the configured size.
    """
    side = multiple(configured or trained or DEFAULT_SIDE)
    width, height = picture.width or side, picture.height or side
    if configured and configured not in (width, height):
        raise ConfigError(
            f"model.input_size={configured}: the model takes {width}x{height}; leave it out, "
            "or choose a multiple of 32 for a model that takes any size"
        )
    return width, height


def with_known_size(settings: ModelSettings) -> ModelSettings:
    """The settings, with the size that the name of a known model stands for, if it stands for one."""
    known = KNOWN.get(settings.name)
    if known is None or known.size is None:
        return settings
    return replace(settings, input_size=known.size, rectangular=False)


def rectangular(square: InputFormat, width: int, height: int) -> InputFormat:
    """The input for a picture of this width and height: its longer side is that of the square."""
    scale = square.width / max(width, height)
    return replace(square, width=multiple(width * scale), height=multiple(height * scale))
