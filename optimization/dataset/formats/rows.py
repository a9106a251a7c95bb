"""What the formats share: numbers on their way to arrays, and what could not be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from edge_node.frames import I32
from optimization.dataset.labelled import Dataset, Labelled
from optimization.dataset.texts import shown
from shared.errors import SourceError
from shared.geometry import F32, Bool

Kind = Literal["picture-missing", "picture-unreadable", "box-broken", "class-unknown", "line-broken"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a file of annotations that has no place in a dataset, and was skipped.

    Attributes:
        kind: As `check` names it.
        where: The file, or picture.
        text: What is wrong, after the place and a colon.
    """

    kind: Kind
    where: str
    text: str


@dataclass(slots=True)
class Reading:
    """What a format found so far.

    Attributes:
        problems: What was skipped.
        lost: What a `Dataset` does not hold, such as outlines, by kind and number.
        unlabelled: Pictures that are there without annotations.
        stray: Annotations without pictures.
    """

    problems: list[Problem] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    unlabelled: list[Path] = field(default_factory=list)
    stray: list[Path] = field(default_factory=list)

    def problem(self, kind: Kind, where: Path | str, text: str) -> None:
        """Note something that was skipped."""
        self.problems.append(Problem(kind, shown(where), text))


@dataclass(slots=True)
class Rows:
    """The objects of one picture, as they come."""

    boxes: list[Sequence[float]] = field(default_factory=list)
    classes: list[int] = field(default_factory=list)
    crowds: list[bool] = field(default_factory=list)

    def add(self, box: Sequence[float], class_id: int, crowd: bool = False) -> bool:
        """Add an object; False when a corner is not a number that an array of 32 bits can hold.

        Args:
            box: Left, top, right, bottom in pixels.
            class_id: Its class.
            crowd: Whether scoring and training leave it out.
        """
        if not all(abs(corner) < _FAR for corner in box):  # also when one is no number at all
            return False
        self.boxes.append(box)
        self.classes.append(class_id)
        self.crowds.append(crowd)
        return True

    def arrays(self) -> tuple[F32, I32, Bool]:
        """The corners, class ids and crowds."""
        return (
            np.array(self.boxes, np.float32).reshape(-1, 4),
            np.array(self.classes, np.int32),
            np.array(self.crowds, np.bool_),
        )


_FAR = 1e7
"""Pixels. No picture has such a place."""


def picture_side(value: float | None) -> int:
    """The side of a picture that a file states, in pixels; 0 where it states none that can be."""
    return int(value) if value is not None and 1 <= value < _FAR else 0


def made(names: Sequence[str], items: Sequence[Labelled], where: Path, reading: Reading) -> Dataset:
    """The dataset of what was read.

    Raises:
        SourceError: A class name stands twice or is empty, or there are no pictures.
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise SourceError(
            f"{shown(where)}: the class {shown(twice[0])!r} stands twice; give each class its own name"
        )
    odd = [name for name in names if not name.strip() or not name.isprintable()]
    if odd:
        raise SourceError(
            f"{shown(where)}: the class name {shown(odd[0])!r} is empty or cannot be shown; give each "
            "class a name"
        )
    if not items:
        first = f": {reading.problems[0].where} {reading.problems[0].text}" if reading.problems else ""
        raise SourceError(f"{shown(where)}: has no picture with annotations that can be read{first}")
    return Dataset(tuple(names), tuple(items))
