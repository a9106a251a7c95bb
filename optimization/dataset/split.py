"""Datasets divided into training, validation and test, group by group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from optimization.dataset.labelled import Dataset
from optimization.dataset.scenes import Groups
from shared.errors import ConfigError
from shared.geometry import F64

_TRIES = 16
_WORK = 20_000
"""Groups that are placed in all tries together."""


@dataclass(frozen=True, slots=True)
class Divided:
    """A dataset that was split.

    Attributes:
        dataset: Its pictures with their splits.
        groups: How many groups there were.
        largest: Pictures of the largest group.
        lacking: Classes that have objects, but none in some splits: those splits.
    """

    dataset: Dataset
    groups: int
    largest: int
    lacking: dict[str, list[str]]


def divide(dataset: Dataset, groups: Groups, shares: Mapping[str, float], seed: int) -> Divided:
    """Give each group to one split, so that each gets its share of pictures and of every class's objects.

    The largest groups are placed first, each where its classes are missing most: after the idea of Sechidis,
    Tsoumakas and Vlahavas, "On the Stratification of Multi-Label Data". Of several random orders, the best
    wins.

    Args:
        dataset: The dataset; splits that it has are forgotten.
        groups: From `scenes.scenes`.
        shares: The share of each split; they add up to 1.
        seed: The same seed gives the same splits.

    Raises:
        ConfigError: There are fewer groups than splits.
    """
    count = int(groups.max()) + 1
    sizes = np.bincount(groups)
    if count < len(shares):
        raise ConfigError(
            f"too few groups for {len(shares)} splits: {count}, of {len(groups)} pictures; --blocks 10 cuts "
            "each group into 10 parts in the order of names, as a film of one camera needs it"
        )
    content = _content(dataset, groups, count)
    best, least = None, np.inf
    random = np.random.default_rng(seed)
    for _ in range(max(1, min(_TRIES, _WORK // count))):
        placed, cost = _place(content, np.array(list(shares.values())), random)
        if cost < least:
            best, least = placed, cost
    if best is None:
        raise ConfigError(
            f"the {count} groups cannot be divided into {len(shares)} splits; --blocks 10 makes smaller ones"
        )
    names = list(shares)
    splits = [names[best[group]] for group in groups.tolist()]
    items = [replace(item, split=split) for item, split in zip(dataset.items, splits, strict=True)]
    done = replace(dataset, items=tuple(items))
    return Divided(done, count, int(sizes.max()), _lacking(done, names))


def _content(dataset: Dataset, groups: Groups, count: int) -> F64:
    """What each group holds: objects of each class, and pictures, as shares of all."""
    found = np.zeros((count, len(dataset.names) + 1))
    for item, group in zip(dataset.items, groups.tolist(), strict=True):
        np.add.at(found[group], item.class_id, 1.0)
        found[group, -1] += 1.0
    # Pictures weigh as much as all classes: a class of three objects must not shift the splits' sizes.
    weights = np.append(np.full(len(dataset.names), 1 / max(1, len(dataset.names))), 1.0)
    return np.asarray(found / np.maximum(found.sum(axis=0), 1.0) * np.sqrt(weights))


def _place(content: F64, shares: F64, random: np.random.Generator) -> tuple[list[int], float]:
    """The split of each group, and how far all are from their shares: infinite when one stays empty."""
    wanted = shares[:, None] * content.sum(axis=0)
    lack = wanted.copy()
    order = random.permutation(len(content))
    order = order[np.argsort(-content[order].max(axis=1), kind="stable")]
    placed = [0] * len(content)
    for group in order.tolist():
        # How much smaller the squared distance from what is wanted gets. A small split weighs more.
        gain = (2 * lack * content[group] - content[group] ** 2).sum(axis=1) / shares
        split = int(gain.argmax())
        lack[split] -= content[group]
        placed[group] = split
    full = len(set(placed)) == len(shares)
    return placed, float((lack**2).sum(axis=1) @ (1 / shares)) if full else float("inf")


def _lacking(dataset: Dataset, splits: list[str]) -> dict[str, list[str]]:
    there = {
        split: {kind for item in dataset.part(split).items for kind in item.class_id.tolist()}
        for split in splits
    }
    every = set().union(*there.values())
    found = {
        dataset.names[kind]: [split for split in splits if kind not in there[split]] for kind in sorted(every)
    }
    return {name: lacking for name, lacking in found.items() if lacking}
