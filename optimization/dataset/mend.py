"""Datasets made fit for training: boxes inside their pictures, and none that is empty."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from edge_node.frames import I64
from optimization.dataset.labelled import Dataset, Labelled
from shared.geometry import F32, Bool

LEAST = 1.0
"""Pixels of the shorter side of a box that somebody can have meant."""


def inside(item: Labelled) -> F32:
    """The boxes of a picture, clipped to it."""
    return np.clip(item.xyxy, 0, np.array([item.width, item.height] * 2, np.float32))


def too_small(xyxy: F32) -> Bool:
    """Which boxes are narrower or lower than a pixel, or the wrong way round."""
    return np.asarray((xyxy[:, 2:] - xyxy[:, :2]).min(axis=1, initial=np.inf) < LEAST, np.bool_)


def mended(dataset: Dataset) -> tuple[Dataset, Counter[str]]:
    """The same pictures with boxes that a network can be trained on.

    Boxes are clipped to their pictures. What is then narrower or lower than a pixel is left out, and so is a
    box that stands twice with the same class.

    Returns:
        The dataset, and how many boxes were clipped and left out.
    """
    counts: Counter[str] = Counter()
    items = []
    for item in dataset.items:
        xyxy = inside(item)
        small = too_small(xyxy)
        twice = repeated(replace(item, xyxy=xyxy)) & ~small
        counts["clipped"] += int(((xyxy != item.xyxy).any(axis=1) & ~small & ~twice).sum())
        counts["left out"] += int((small | twice).sum())
        items.append(replace(item, xyxy=xyxy).keep(~small & ~twice))
    return replace(dataset, items=tuple(items)), counts


def repeated(item: Labelled) -> Bool:
    """Which objects stand there already, with the same class and box."""
    found = np.zeros(len(item.class_id), np.bool_)
    if len(found) > 1:
        rows: I64 = np.column_stack([np.round(item.xyxy * 10).astype(np.int64), item.class_id])
        _, first = np.unique(rows, axis=0, return_index=True)
        found[:] = True
        found[first] = False
    return found
