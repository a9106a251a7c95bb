"""Pictures to input tensors in host memory, for ONNX Runtime, PyTorch and KServe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_node.backends.interface import Array, Axis, ModelFile, Tensor
from edge_node.backends.preprocess import InputFormat, Letterbox, Preprocessor, TensorFormat
from edge_node.pictures import Picture, in_host
from shared.errors import ModelError

MAX_BATCH = 16
"""Maximum number of pictures at once, for models whose file allows any number."""


@dataclass(frozen=True, slots=True)
class PictureInput:
    """How a model takes pictures.

    Attributes:
        name: Name of the input.
        tensor: How a picture lies in the input.
        batch: Length of the batch axis; None: any length, 0: the input has no such axis.
        height: Pixels; None: any height.
        width: Pixels; None: any width.
    """

    name: str
    tensor: TensorFormat
    batch: int | None
    height: int | None
    width: int | None

    @classmethod
    def of(cls, model: ModelFile, where: str) -> PictureInput:
        """Read this from the model's first input.

        Args:
            model: Its first input is the picture's.
            where: The model's name, for the error.

        Raises:
            ModelError: The first input does not take a picture.
        """
        found = model.inputs[0] if model.inputs else Tensor("", ())
        shape = found.shape
        if found.dtype in ("float32", "float16", "uint8") and len(shape) in (3, 4):
            last = shape[-1] == 3 and shape[-3] != 3
            height, width = shape[-3:-1] if last else shape[-2:]
            if (shape[-1] if last else shape[-3]) in (3, None) or isinstance(shape[-3], str):
                batch = 0 if len(shape) == 3 else _length(shape[0])
                tensor = TensorFormat(found.dtype, channels_last=last)  # type: ignore[arg-type]  # checked above
                return cls(found.name, tensor, batch, _length(height), _length(width))
        listed = ", ".join(f"{item.name} {item.dtype} {list(item.shape)}" for item in model.inputs)
        raise ModelError(
            f"model {where}: needs a picture input (1, 3, height, width) or (1, height, width, 3) "
            f"of float32, float16 or uint8; it has {listed or 'none'}"
        )

    @property
    def max_batch(self) -> int:
        """Maximum number of pictures in one run."""
        return MAX_BATCH if self.batch is None else self.batch or 1


def picture_first(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The inputs, with the picture's before the others."""
    return tuple(sorted(inputs, key=lambda item: -len(item.shape)))  # equal ranks keep their order


def _length(axis: Axis) -> int | None:
    return axis if isinstance(axis, int) and axis > 0 else None


class HostInput:
    """Makes the inputs of a network again and again; only one thread at a time may use it.

    Args:
        model: What the model's file says.
        picture: How the model takes pictures.
    """

    def __init__(self, model: ModelFile, picture: PictureInput) -> None:
        self._model, self._picture = model, picture
        self._preprocessors: dict[InputFormat, Preprocessor] = {}

    def __call__(
        self, images: Sequence[Picture], target: InputFormat
    ) -> tuple[dict[str, Array], list[Letterbox]]:
        """Inputs by name, which the next call overwrites, and how the pictures lie in them."""
        picture = self._picture
        preprocess = self._preprocessors.get(target)
        if preprocess is None:
            # A tensor for many pictures is large: it is made for the largest batch so far.
            preprocess = Preprocessor(target, picture.tensor, picture.batch or len(images))
            self._preprocessors[target] = preprocess
        elif preprocess.slots < len(images):
            preprocess = self._preprocessors[target] = Preprocessor(target, picture.tensor, len(images))
        tensor, fits = preprocess.batch([in_host(image) for image in images])
        if picture.batch and len(tensor) < picture.batch:
            tensor = preprocess.tensor  # earlier pictures fill up a fixed batch
        others = extra_inputs(self._model, target.width, target.height)
        feeds = {name: np.repeat(value, len(tensor), axis=0) for name, value in others.items()}
        return {picture.name: tensor[0] if picture.batch == 0 else tensor} | feeds, fits


def extra_inputs(model: ModelFile, width: int, height: int) -> dict[str, Array]:
    """The inputs beside one picture, with values that make the network return boxes in input pixels.

    Args:
        model: What the file says.
        width: Of the input, pixels.
        height: Of the input, pixels.

    Raises:
        ModelError: The model has an input whose meaning is not known.
    """
    known: dict[str, Array] = {
        "orig_target_sizes": np.array([[width, height]], np.int64),
        "im_shape": np.array([[height, width]], np.float32),
        "scale_factor": np.ones((1, 2), np.float32),
    }
    others = [item.name for item in model.inputs if len(item.shape) < 3]
    for name in others:
        if name not in known:
            raise ModelError(
                f"the model has an input {name!r} beside the picture; Darner knows only {', '.join(known)}"
            )
    return {name: known[name] for name in others}


def by_picture(raw: Sequence[Array], model: ModelFile, count: int) -> list[list[Array]]:
    """Outputs of a batch by picture, without the batch axis if they have one."""
    if not model.has_batch_axis:
        return [list(raw)]
    return [[output[index] for output in raw] for index in range(count)]
