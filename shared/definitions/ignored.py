"""Finds masks and filters that can never drop anything, or drop everything, so that people can be told."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from shared.definitions.consistent import ALL, in_force
from shared.geometry import Floats, clip_to_frame, polygon_area, polygon_crosses_itself
from shared.wire.messages import FilterDefinition, MaskDefinition

NEGLIGIBLE = 1e-6
"""Areas and lengths below this, in fractions of the frame, count as zero."""
_WHOLE = 0.98
"""A mask that covers at least this share of the picture leaves nothing to see."""
_LONGEST = 4.0
"""No box has a longer side than this, in heights of the frame: pictures are not that wide."""


def problems(
    masks: Mapping[str, MaskDefinition],
    filters: Mapping[str, FilterDefinition],
    class_names: Sequence[str] | None = None,
    confidence: float | None = None,
) -> list[str]:
    """Find masks and filters that are useless, dangerous, or about classes that the model lacks.

    Args:
        masks: By name.
        filters: By class, or under "all".
        class_names: The model's classes; None while they are unknown.
        confidence: The lowest score of a detection; None while it is unknown.

    Returns:
        One sentence for each problem.
    """
    found = [f"mask {name!r} {reason}" for name, mask in masks.items() for reason in _mask(mask)]
    if class_names is not None:
        for name, mask in masks.items():
            found += unknown_classes(f"mask {name!r}", mask.classes, class_names)
        found += [
            f"filters.{label}: the model has no class {label!r}; it has {_some(class_names)}"
            for label in filters
            if label != ALL and label not in class_names
        ]
    return found + [one for label in filters for one in _filter(filters, label, confidence)]


def unknown_classes(what: str, wanted: Sequence[str], class_names: Collection[str]) -> list[str]:
    """A sentence for each class that a definition asks for and the model does not have."""
    return [
        f"{what} asks for class {one!r}, which the model does not have"
        for one in wanted
        if one not in class_names
    ]


def polygon_problem(corners: Floats, never: str) -> str | None:
    """What is wrong with the polygon of a zone or mask; None if nothing is.

    Args:
        corners: ``(K, 2)``, fractions of the frame.
        never: What it can never do, for the sentence.
    """
    if polygon_crosses_itself(corners):
        return "crosses itself: list its corners in order around the shape"
    if polygon_area(corners) < NEGLIGIBLE:
        return f"can never {never} anything: its polygon has no area"
    inside = clip_to_frame(corners)
    if len(inside) < 3 or polygon_area(inside) < NEGLIGIBLE:
        return f"can never {never} anything: it lies outside the frame"
    return None


def _mask(mask: MaskDefinition) -> Iterator[str]:
    corners = np.asarray(mask.polygon, np.float64)
    problem = polygon_problem(corners, "ignore")
    if problem is not None:
        yield problem
    elif polygon_area(clip_to_frame(corners)) >= _WHOLE:
        of = f"of {', '.join(mask.classes)} " if mask.classes else ""
        yield f"covers the whole picture: nothing {of}is reported any more"


def _filter(filters: Mapping[str, FilterDefinition], label: str, confidence: float | None) -> Iterator[str]:
    own, one = filters[label], in_force(filters, label)
    key = f"filters.{label}"
    if own == FilterDefinition():
        yield f"{key}: drops nothing, because it has no bound; give min_size, max_size or another one"
    if one.min_size is not None and one.min_size > _LONGEST and own.min_size is not None:
        yield f"{key}.min_size: {one.min_size:g} drops everything: it is a fraction of the frame's height"
    for upper in ("max_size", "max_aspect"):
        if getattr(own, upper) == 0:
            yield f"{key}.{upper}: 0 drops everything; leave it out for no bound"
    if own.score is not None and own.score >= 1:
        yield f"{key}.score: 1 drops everything: no detector is that sure"
    if own.score and confidence is not None and own.score <= confidence:
        yield (
            f"{key}.score: {own.score:g} drops nothing: detections below {confidence:g} are dropped before "
            "(model.confidence)"
        )


def _some(class_names: Sequence[str], most: int = 8) -> str:
    more = ", ..." if len(class_names) > most else ""
    return ", ".join(class_names[:most]) + more
