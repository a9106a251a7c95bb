"""What every engine is to the detector: pictures in, raw outputs out."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edge_node.backends.preprocess import InputFormat, Letterbox
from edge_node.frames import U8
from shared.errors import ModelError

Axis = int | str | None
"""Length of an axis; a str or None is dynamic."""
Array = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output as the model's file describes it."""

    name: str
    shape: tuple[Axis, ...]
    dtype: str = "float32"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What a model's file says of itself.

    Attributes:
        inputs: The picture first.
        outputs: In the file's order.
        metadata: Key and value texts, such as the class names under "names".
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_batch_axis(self) -> bool:
        """Whether outputs come by picture; False for networks that take one picture and return plain rows."""
        return any(len(output.shape) >= 3 for output in self.outputs)

    @property
    def trained_size(self) -> int | None:
        """Longer side of the pictures of the training, from the metadata ("imgsz"), in pixels."""
        try:
            sizes = json.loads(self.metadata.get("imgsz", ""))
            return max(sizes if isinstance(sizes, list) else [sizes], default=None)
        except (ValueError, TypeError):
            return None

    @property
    def class_names(self) -> tuple[str, ...]:
        """From the metadata: a JSON or Python mapping of id to name, or a list; empty when there are none."""
        text = self.metadata.get("names", "")
        try:
            found = json.loads(text)
        except ValueError:
            try:
                found = ast.literal_eval(text)
            except (ValueError, SyntaxError):
                return ()
        if isinstance(found, dict):
            try:
                found = [found[key] for key in sorted(found, key=int)]
            except (TypeError, ValueError):
                return ()
        return tuple(str(name)[:128] for name in found) if isinstance(found, list) else ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the output counts; an engine that can leaves the rest where it is.

    Attributes:
        layout: How the output is read.
        class_ids: ``(K,)``.
        confidence: Lowest score, 0..1.
    """

    layout: str
    class_ids: npt.NDArray[np.intp]
    confidence: float


@dataclass(frozen=True, slots=True)
class Inference:
    """What one run of the network gave.

    Attributes:
        outputs: By picture, then by output, without the batch axis; owned by the caller.
        fits: How each picture was put into the input.
        preprocess_ms: Of the whole batch.
        inference_ms: Of the whole batch, copies included.
    """

    outputs: list[list[Array]]
    fits: list[Letterbox]
    preprocess_ms: float
    inference_ms: float

    def collect(self) -> Inference:
        """See `Pending`: this one is there already."""
        return self


class Pending(Protocol):
    """A batch that an engine was given."""

    def collect(self) -> Inference:
        """Wait for it; once."""


class OutOfMemory(ModelError):  # noqa: N818 - reads as what it is, like Python's own MemoryError
    """The device has no room for a batch of this size; a smaller one may fit."""


class Backend(Protocol):
    """An engine with a model in it. Used by one thread at a time, but for collecting what was submitted.

    Attributes:
        name: The engine and its version.
        device: Where it runs.
        model: What the file says.
        max_batch: Most pictures in one call; may become another one while it runs.
        in_flight: Most batches submitted and not collected: 2 where the device goes on by itself, so that it
            need not wait for this process between two batches; 1 where `submit` does all the work.
        letterboxes: Whether it does so on its device, faster than the host would; if not, pictures that have
            the size of the target already cost a copy.
    """

    name: str
    device: str
    model: ModelFile
    max_batch: int
    in_flight: int
    letterboxes: bool

    def submit(self, images: Sequence[U8], target: InputFormat, wanted: Wanted) -> Pending:
        """Begin what `infer` does; the pictures may be changed once this returns."""

    def infer(self, images: Sequence[U8], target: InputFormat, wanted: Wanted) -> Inference:
        """Letterbox the pictures and run the network on them.

        Args:
            images: u8 ``(H, W, 3)``, BGR, of any sizes, at most `max_batch`.
            target: What the network expects.
            wanted: What counts; an engine may leave out everything else.

        Raises:
            OutOfMemory: For a batch; nothing is lost, and a smaller one may be tried.
        """

    def close(self) -> None:
        """Release everything."""
