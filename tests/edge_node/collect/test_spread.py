from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_node.collect.spread import Crowd, least

HOUR = 3_600_000_000
Row = tuple[float, float, int]


def crowd(rows: Sequence[Row], stays: Sequence[int] = ()) -> Crowd:
    """Pictures from their hour, light and reason."""
    hours, light, reason = (np.array(column) for column in zip(*rows, strict=True))
    kept = np.zeros(len(rows), np.bool_)
    kept[list(stays)] = True
    return Crowd((hours * HOUR).astype(np.int64), light.astype(np.float32), reason.astype(np.int32), kept)


def test_of_two_that_are_nearest_in_time_the_older_goes() -> None:
    assert least(crowd([(0, 0.5, 0), (5, 0.5, 0), (5.5, 0.5, 0), (10, 0.5, 0)])) == 1


def test_pictures_at_one_time_may_stay_for_their_light_or_reason() -> None:
    rows = [(0, 0.5, 0), (5, 0.5, 0), (5.1, 0.9, 0), (9, 0.5, 0), (10, 0.5, 0)]
    assert least(crowd(rows)) == 3
    rows = [(0, 0.5, 0), (5, 0.5, 0), (5.1, 0.5, 1), (9, 0.5, 0), (10, 0.5, 0)]
    assert least(crowd(rows)) == 3


def test_what_must_stay_stays() -> None:
    rows = [(0, 0.5, 0), (5, 0.5, 0), (5.5, 0.5, 0), (10, 0.5, 0)]
    assert least(crowd(rows, stays=[1])) == 2
    assert least(crowd(rows, stays=[1, 2])) in (0, 3)
    assert least(crowd(rows, stays=[0, 1, 2])) == 3
    assert least(crowd(rows, stays=[0, 1, 2, 3])) is None
    assert least(crowd(rows[:2], stays=[1])) == 0


def test_pictures_of_one_moment_are_no_error() -> None:
    assert least(crowd([(1, 0.5, 0)] * 4, stays=[3])) == 0


def test_a_week_of_nights_does_not_push_the_day_out() -> None:
    kept: list[Row] = []
    days = 0
    for minute in range(0, 7 * 24 * 60, 4):  # the night gives a picture every 4 minutes, the day one in 80
        hour = minute / 60
        day = 8 <= hour % 24 < 18
        if day and minute % 80:
            continue
        days += day
        kept.append((hour, 0.6 if day else 0.1, 0))
        if len(kept) > 100:
            going = least(crowd(kept, stays=[len(kept) - 1]))
            assert going is not None
            del kept[going]
    by_day = [row for row in kept if row[1] == 0.6]
    assert len(by_day) >= 0.6 * days
    nights = {int(hour + 6) // 24 for hour, light, _ in kept if light == 0.1}
    assert len(nights) == 8  # the first night, too
