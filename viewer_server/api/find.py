"""Finds nodes and cameras in the list of names, without a look at the messages of thousands of nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson


def nodes(lines: Iterable[bytes], words: Sequence[str]) -> Iterator[str]:
    """The nodes with all of these words in what they and their cameras are called and say of themselves."""
    for node, status, cameras, *name in map(orjson.loads, lines):
        if not words or _has(words, [node, status, *name, *(part for one in cameras for part in one)]):
            yield node


def cameras(
    lines: Iterable[bytes], words: Sequence[str], of_node: str | None = None
) -> Iterator[tuple[str, str]]:
    """Node and camera of each camera with all of these words in what it and its node are called and say."""
    for node, status, some, *name in map(orjson.loads, lines):
        if of_node not in (None, node):
            continue
        for one in some:
            if not words or _has(words, [node, status, *name, *one]):
                yield node, one[0]


def _has(words: Sequence[str], parts: list[Any]) -> bool:
    text = " ".join(filter(None, parts)).lower()
    return all(word in text for word in words)
