"""Whether the numbers of a zone or line agree with each other, and with those before them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shared.wire.messages import DayCounters, Flow, ZoneState

Problem = tuple[str, str]


def problems(state: ZoneState, before: ZoneState | None) -> Iterator[Problem]:
    """Yield what is wrong with the state of a zone or line.

    Args:
        state: The state.
        before: The one before it, of the same zone or line in the same session; None: it is the first.
    """
    if state.paused is not None:
        yield from _not_paused(state)
    yield from _sums("by_class", state, state.by_class)
    if state.day is not None:
        yield from _sums("day.by_class", state.day, state.day.by_class)
        yield from _too_many(state, state.day)
    if before is None:
        return
    if state.started_us == before.started_us:
        yield from _back("counters run backwards", state, before)
    if state.day is not None and before.day is not None and state.day.since_us == before.day.since_us:
        yield from _back("counters of the day run backwards", state.day, before.day)


def _not_paused(state: ZoneState) -> Iterator[Problem]:
    """What is there although nothing counts."""
    there = {
        "occupancy": state.occupancy,
        "loitering": state.loitering,
        "crowded": state.crowded,
        "present": bool(state.present),
        "queue.length": state.queue.length if state.queue else 0,
    }
    for name, value in there.items():
        if value:
            yield "paused, but counts", f"{name} is {value} while it is paused ({state.paused})"


def _sums(name: str, total: Flow | ZoneState, by_class: Mapping[str, Flow]) -> Iterator[Problem]:
    """Where the classes do not add up; there are none in messages of other makers."""
    for way in ("entered", "exited"):
        found = sum(getattr(flow, way) for flow in by_class.values())
        if by_class and found != getattr(total, way):
            yield "by_class does not add up", f"{way}: {found} in {name} and {getattr(total, way)} in all"


def _too_many(state: ZoneState, day: DayCounters) -> Iterator[Problem]:
    """What of the day was counted since the node counts, and is not in the running counters."""
    if state.started_us is not None and day.since_us >= state.started_us:
        for way in ("entered", "exited"):
            if getattr(day, way) > getattr(state, way):
                yield (
                    "counters of the day exceed the running ones",
                    f"{way}: {getattr(day, way)} today, but {getattr(state, way)} in all since before",
                )


def _back(kind: str, now: Flow | ZoneState, before: Flow | ZoneState) -> Iterator[Problem]:
    for way in ("entered", "exited"):
        if getattr(now, way) < getattr(before, way):
            yield kind, f"{way}: {getattr(now, way)} after {getattr(before, way)}"
