"""Which pictures a query fits, and how far the work is."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence

from shared.limits import clipped
from viewer_server.labelling.catalogue import About, Contents, order
from viewer_server.labelling.coco import Entry
from viewer_server.labelling.said import LabelList, LabelProgress, LabelQuery


def listed(
    contents: Contents, entries: Mapping[str, Entry], categories: Sequence[str], query: LabelQuery
) -> LabelList:
    """Pictures that a query fits, from one place of the list on.

    Args:
        contents: What the folder holds.
        entries: What was decided, by picture.
        categories: Names of the classes of the annotations.
        query: What is asked.
    """
    pictures = contents.pictures
    fitting = [name for name, about in pictures.items() if _fits(query, about, entries.get(name))]
    named = sorted(contents.classes, key=lambda name: -contents.classes[name])
    return LabelList(
        pictures=_page(fitting, query),
        matching=len(fitting),
        progress=progress(contents, entries),
        classes=list(dict.fromkeys([*categories, *named])),
        reasons=dict(Counter(reason for about in pictures.values() for reason in about.reasons)),
        skipped=contents.skipped,
        notes=[clipped(text) for text in contents.bad],
    )


def progress(contents: Contents, entries: Mapping[str, Entry]) -> LabelProgress:
    """How far the work is."""
    pictures = contents.pictures
    decided = [about for name, about in pictures.items() if name in entries]
    return LabelProgress(
        total=len(pictures),
        decided=len(decided),
        hours=len({about.group for about in pictures.values() if about.group}),
        hours_decided=len({about.group for about in decided if about.group}),
    )


def _fits(query: LabelQuery, about: About, entry: Entry | None) -> bool:
    state = entry.state if entry else "open"
    return (
        (query.state in ("all", state) or (query.state == "decided" and entry is not None))
        and (query.reason is None or query.reason in about.reasons)
        and (query.below is None or (about.lowest is not None and about.lowest < query.below))
    )


def _page(names: list[str], query: LabelQuery) -> list[str]:
    if query.before is not None:
        end = bisect_left(names, order(query.before), key=order)
        return names[max(0, end - query.limit) : end]
    start = 0 if query.after is None else bisect_right(names, order(query.after), key=order)
    return names[start : start + query.limit]
