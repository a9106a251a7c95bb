"""Finds out, on pictures, which nodes of a network lose too much in low precision."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import onnx
from tqdm import tqdm

from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from edge_node.detect.input_size import with_known_size
from optimization import pictures
from optimization.graph import graphs
from optimization.measure import coco
from optimization.measure.accuracy import CONFIDENCE

_T = TypeVar("_T")
SURE = 0.3
"""Minimum score of a detection by the float network that counts as truth."""
TOLERANCE = 0.02
"""Choices within this of the best agreement count as equally good: with 50 pictures the rest is noise."""
GOOD = 0.8
"""Agreement above which the loss of mAP is a few tenths of a point."""


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """A choice of nodes to keep in float.

    Attributes:
        kept: Names of the nodes.
        agreement: COCO's AP of the network, with the float network's sure detections as truth, 0..1.
    """

    kept: list[str]
    agreement: float


class Agreement:
    """Compares a network in low precision with the float network, on pictures.

    Args:
        settings: Settings of the float network.
        convert: Makes a network in low precision that keeps the named nodes in float.
        shown: The pictures.

    Raises:
        DarnerError: The detector cannot read the network, or a picture.
    """

    def __init__(
        self, settings: ModelSettings, convert: Callable[[list[str]], onnx.ModelProto], shown: Sequence[Path]
    ) -> None:
        settings = dataclasses.replace(with_known_size(settings), confidence=CONFIDENCE)
        self._convert = convert
        self._images = [pictures.read(path) for path in shown]
        with Detector(settings) as detector:
            names, layout = detector.class_names, detector.layout
            expected = [detector.detect(image)[0] for image in self._images]
        self._truth = coco.truth_of(expected, shown, names, SURE)
        self._category_ids = self._truth.match(names)
        self._low = dataclasses.replace(settings, layout=layout, labels=names)

    def of(self, kept: list[str]) -> Choice:
        """Measure the network that keeps these nodes in float."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "low.onnx"
            graphs.save(self._convert(kept), path)
            return Choice(kept, self.score(path))

    def score(self, path: Path) -> float:
        """COCO's AP of the network in a file, with the float network's sure detections as truth, 0..1."""
        with Detector(dataclasses.replace(self._low, name=str(path))) as detector:
            found = [detector.detect(image)[0] for image in self._images]
        return self._truth.score(found, self._category_ids).ap


def choose(
    agreement: Agreement, levels: Sequence[list[str]], blocks: Sequence[list[str]]
) -> tuple[list[Choice], int]:
    """Find the fewest nodes to keep in float so that accuracy stays.

    The end of the network is tried first, level by level. If that is not enough, the network is cut into
    blocks, and each block alone is put into low precision. The most harmful blocks are then kept in float,
    one after the other, until the network agrees well.

    Args:
        agreement: Measures a choice.
        levels: Names of nodes at the network's end, more with every level.
        blocks: Names of all nodes, in order.

    Returns:
        The choices that were tried, and the index of the best one.
    """
    tried = [agreement.of(kept) for kept in _progress(levels, "the network's end in float")]
    best = max(choice.agreement for choice in tried)
    if best >= GOOD:
        return tried, next(i for i, choice in enumerate(tried) if choice.agreement >= best - TOLERANCE)
    everything = {name for block in blocks for name in block}
    others = [sorted(everything - set(block)) for block in blocks]
    alone = [agreement.of(kept) for kept in _progress(others, "each block alone")]
    order = sorted(range(len(blocks)), key=lambda index: alone[index].agreement)
    kept = set(levels[min(1, len(levels) - 1)])
    for index in _progress(order[:-1], "blocks in float"):
        kept |= set(blocks[index])
        tried.append(agreement.of(sorted(kept)))
        if tried[-1].agreement >= GOOD:
            break
    return tried, max(range(len(tried)), key=lambda index: tried[index].agreement)


def _progress(items: Sequence[_T], what: str) -> Iterable[_T]:
    return tqdm(items, unit=" choices", desc=what, disable=None)
