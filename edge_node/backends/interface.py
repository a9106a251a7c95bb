"""What the detector expects of every engine: it takes pictures and gives raw outputs."""

from __future__ import annotations

import ast
import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from edge_node.backends.preprocess import InputFormat, Letterbox
from edge_node.frames import Detections
from edge_node.pictures import Lender, Picture
from shared import limits
from shared.errors import ModelError

Axis = int | str | None
"""The length of an axis; a str or None means that the length is dynamic."""
_LARGEST_SIDE = 1 << 16
"""Pixels; a larger size in a file's metadata is a mistake."""

Array = npt.NDArray[np.generic]
T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output as the model's file describes it."""

    name: str
    shape: tuple[Axis, ...]
    dtype: str = "float32"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What a model's file says about the model.

    Attributes:
        inputs: The input for the picture comes first.
        outputs: In the file's order.
        metadata: Texts by key, such as the class names under "names".
        sha256: Of the file, in hexadecimal; of an engine, that of the ONNX file that it was built from. None:
            nothing tells.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
    sha256: str | None = None

    @property
    def has_batch_axis(self) -> bool:
        """Whether the first axis of the outputs is the picture; False for networks that return plain rows."""
        return any(len(output.shape) >= 3 for output in self.outputs)

    @property
    def trained_size(self) -> int | None:
        """Longer side of the training pictures in pixels, from "imgsz" in the metadata."""
        found = _parsed(self.metadata.get("imgsz", ""))
        sizes = found if isinstance(found, list) else [found]
        sides = [size for size in sizes if type(size) is int and 0 < size <= _LARGEST_SIDE]
        return max(sides, default=None)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names by id, from "names" in the metadata; empty if the file has none.

        The text is a mapping of id to name or a list of names, as JSON or as Python writes it.
        """
        found = _parsed(self.metadata.get("names", ""))
        if isinstance(found, dict):
            try:
                found = [found[key] for key in sorted(found, key=int)]
            except (TypeError, ValueError, OverflowError):
                return ()
        return tuple(str(name)[:128] for name in found) if isinstance(found, list) else ()


def _parsed(text: str) -> object:
    """A value that a text holds as JSON or as Python writes it; None when it holds none."""
    for parse in (json.loads, ast.literal_eval):
        with contextlib.suppress(ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            found: object = parse(text)
            return found
    return None


@dataclass(frozen=True, slots=True)
class Anchors:
    """How the outputs of a network that scores every anchor lie in memory.

    Attributes:
        by_anchor: The shape is ``(N, anchors, values)``; False for ``(N, values, anchors)``.
        objectness: Whether an objectness comes before the class scores, which are multiplied by it.
        boxes: What the values of a box are. "centres": centre, width and height in pixels of the input, in
            front of the scores. "offsets": the same as YOLOX's network has them, not yet decoded.
            "distances": for each side a distribution over 8 distances from the anchor, behind the scores.
        strides: Pixels between the anchors of each level, for offsets and distances. Empty for distances in
            outputs of their own: a score map for each level, then as many maps of distributions.
        place: Where in its cell an anchor is, for distances: 0 for the corner, 0.5 for the middle.
        order: Indices of the engine's outputs in this order.
    """

    by_anchor: bool
    objectness: bool
    boxes: Literal["centres", "offsets", "distances"] = "centres"
    strides: tuple[int, ...] = ()
    place: float = 0.0
    order: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which detections count; an engine that can decode leaves the others on its device.

    Attributes:
        class_ids: ``(K,)``.
        confidence: Lowest score, 0..1.
        anchors: Where boxes and scores are in the outputs; None if an engine must not decode them.
        iou: A box whose IoU with a better one of its class is larger is left out; 0..1.
        most: Maximum number of detections of a picture, the best ones.
    """

    class_ids: npt.NDArray[np.intp]
    confidence: float
    anchors: Anchors | None = None
    iou: float = 1.0
    most: int = limits.DETECTIONS


@dataclass(frozen=True, slots=True)
class Inference:
    """The result of one run of the network.

    Attributes:
        outputs: By picture, then by output, without the batch axis; the caller owns them. Those of a picture
            whose detections are in `found` are left out.
        fits: How each picture lies in the input.
        preprocess_ms: Milliseconds for the whole batch.
        inference_ms: Milliseconds for the whole batch, with the copies.
        found: By picture, the wanted detections after NMS, in pixels of the picture and inside it, best
            first; None for a picture that the engine could not decode. The whole is None if the engine
            decodes nothing; one that does not letterbox never does.
    """

    outputs: list[list[Array]]
    fits: list[Letterbox]
    preprocess_ms: float
    inference_ms: float
    found: list[Detections | None] | None = None


def joined(parts: Sequence[Inference]) -> Inference:
    """The result of a batch that ran in several parts, one after the other."""
    if len(parts) == 1:
        return parts[0]
    found = None
    if any(part.found for part in parts):
        found = [one for part in parts for one in part.found or [None] * len(part.outputs)]
    return Inference(
        [outputs for part in parts for outputs in part.outputs],
        [fit for part in parts for fit in part.fits],
        sum(part.preprocess_ms for part in parts),
        sum(part.inference_ms for part in parts),
        found,
    )


class Pending(Generic[T]):
    """The result of a batch that may still be in the network.

    Args:
        collect: Waits for the result and returns it.
        done: Whether the result is there already, so that `collect` does not wait.
    """

    __slots__ = ("_collect", "done")

    def __init__(self, collect: Callable[[], T], *, done: bool = False) -> None:
        self._collect, self.done = collect, done

    @classmethod
    def of(cls, result: T) -> Pending[T]:
        """A result that is there already."""
        return cls(lambda: result, done=True)

    def collect(self) -> T:
        """Wait for the result; call it once."""
        return self._collect()

    def map(self, change: Callable[[T], U]) -> Pending[U]:
        """The same batch, its result changed by a function once it is collected."""
        return Pending(lambda: change(self._collect()), done=self.done)


class OutOfMemory(ModelError):  # noqa: N818 - named like Python's own MemoryError
    """The device has no memory for a batch of this size; a smaller batch may fit."""


class Backend(Protocol):
    """An engine with a model in it. One thread at a time may submit; any thread may collect.

    Attributes:
        name: The engine and its version.
        device: The device that it runs on.
        model: What the model's file says.
        max_batch: Maximum number of pictures in one batch; the number may change while the engine runs.
        in_flight: Maximum number of batches that are submitted and not collected: 2 if the device works by
            itself and should not wait for this process between two batches; 1 if `submit` does all the work.
        letterboxes: Whether the engine letterboxes on its device. If not, the caller letterboxes beforehand,
            and a picture that already has the target's size costs one copy.
    """

    name: str
    device: str
    model: ModelFile
    max_batch: int
    in_flight: int
    letterboxes: bool

    @property
    def pictures(self) -> Lender | None:
        """Memory in which pictures need no copy by the CPU; None: any memory will do."""

    def submit(
        self, images: Sequence[Picture], target: InputFormat, wanted: Wanted | None
    ) -> Pending[Inference]:
        """Letterbox pictures and start the network on them.

        Nobody may change a picture until the batch is collected.

        Args:
            images: In host memory or on the engine's GPU, of any sizes, at most `max_batch`.
            target: What the network expects.
            wanted: The detections that count; an engine may leave out all others. None: the whole outputs,
                for a first run that shows what they look like.

        Raises:
            OutOfMemory: The batch does not fit; nothing is lost, and the caller may try a smaller one.
        """

    def close(self) -> None:
        """Release everything."""
