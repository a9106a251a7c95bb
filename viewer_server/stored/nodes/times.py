"""Which of a node's times are believed: a wrong clock must not hide its events, nor keep them for ever.

A node without a battery-backed clock starts in 1970, and any node can say any time. A time that cannot be
right is replaced by the time of arrival. Refusing the event would be worse: a node sends an event again until
it is acknowledged, so an honest node with a wrong clock would fill its outbox and lose its events.
"""

from __future__ import annotations

import dataclasses

from shared.wire.messages import Event

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
AHEAD_US = 300_000_000
"""How far a node's clock may be ahead of the viewer's."""
FAR_AHEAD_US = 366 * 24 * HOUR_US
"""How far ahead sums must be to be deleted: the viewer's own clock may have been set back, too."""
EARLIEST_US = 1_577_836_800_000_000
"""2020-01-01, before there was Darner: a clock that is behind this was never set."""


def believed(at_us: int, wall_us: int) -> int:
    """A node's time, or the time of arrival where it cannot be right.

    Args:
        at_us: What the node says.
        wall_us: The viewer's clock. While that was never set either, the node is believed.
    """
    if wall_us < EARLIEST_US or EARLIEST_US <= at_us <= wall_us + AHEAD_US:
        return at_us
    return wall_us


def corrected(event: Event, wall_us: int) -> Event:
    """The event with believed times; the same object where all are."""
    occurred, captured = believed(event.occurred_us, wall_us), believed(event.captured_us, wall_us)
    if occurred == event.occurred_us and captured == event.captured_us:
        return event
    published = believed(event.published_us, wall_us)
    return dataclasses.replace(event, occurred_us=occurred, captured_us=captured, published_us=published)
