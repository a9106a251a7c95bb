"""The numbers of a zone or line as retained state needs them: before the first frame, and after the last."""

from __future__ import annotations

from dataclasses import replace

from shared.wire.messages import Dwell, LineDefinition, Queue, ZoneDefinition, ZoneNumbers

Definition = ZoneDefinition | LineDefinition


def nothing_yet(name: str, definition: Definition) -> ZoneNumbers:
    """The numbers of a zone or line that has counted nothing yet."""
    if isinstance(definition, LineDefinition):
        return ZoneNumbers(zone=name, kind="line")
    return ZoneNumbers(
        zone=name,
        kind="zone",
        queue=Queue() if definition.queue else None,
        present=False if definition.presence else None,
    )


def nobody_inside(numbers: ZoneNumbers) -> ZoneNumbers:
    """The numbers with what they have counted, and without those who are there now."""
    queue = numbers.queue and replace(numbers.queue, length=0, wait_average_s=0.0, wait_longest_s=0.0)
    dwell: Dwell = replace(numbers.dwell, ongoing_average_s=0.0, ongoing_max_s=0.0)
    return replace(
        numbers,
        occupancy=0,
        loitering=0,
        loitering_ids=(),
        crowded=False,
        present=None if numbers.present is None else False,
        dwell=dwell,
        queue=queue,
    )


def only_time_passed(before: ZoneNumbers, after: ZoneNumbers) -> bool:
    """Whether a zone's numbers differ in nothing but durations."""
    return _timeless(before) == _timeless(after)


def _timeless(numbers: ZoneNumbers) -> ZoneNumbers:
    queue = numbers.queue and Queue(length=numbers.queue.length)
    return replace(numbers, dwell=Dwell(completed=numbers.dwell.completed), queue=queue)
