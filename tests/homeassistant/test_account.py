"""The judge itself: it must find what is wrong, else no restart would ever fail."""

from __future__ import annotations

import pytest

from tests.homeassistant.house.account import arrivals, compare, counted, reasons
from tests.homeassistant.house.recorder import Heard


@pytest.mark.parametrize(
    ("runs", "truths", "false", "lost", "why"),
    [
        ([10.0], [10.2], [], [], "the automation may be heard of before the message"),
        ([10.0, 10.1], [10.0], [10.1], [], "one arrival makes one run"),
        ([], [10.0], [], [10.0], "nobody was told"),
        ([20.0], [10.0], [20.0], [10.0], "too late is another thing"),
        ([10.0, 20.0], [10.0, 12.0, 20.0], [], [12.0], "one in the middle is missing"),
    ],
)
def test_runs_are_matched_with_what_happened(
    runs: list[float], truths: list[float], false: list[float], lost: list[float], why: str
) -> None:
    verdict = compare(runs, truths, within=4.0)
    assert (verdict.false, verdict.lost) == (false, lost), why


def said(at: float, session: str, occupancy: int, entered: int = 0) -> Heard:
    body = {"session": session, "occupancy": occupancy, "entered": entered}
    return Heard(at, "demo/camera/street/zone/all", retained=False, body=body)


def test_somebody_arrives_when_a_zone_was_empty_before_or_the_session_is_new() -> None:
    messages = [said(1, "a", 0), said(2, "a", 2), said(3, "a", 1), said(4, "b", 1), said(5, "b", 0)]
    assert arrivals([*messages, said(6, "b", 1)]) == [2, 4, 6]


def test_a_cleared_topic_is_an_empty_zone() -> None:
    cleared = Heard(2, "demo/camera/street/zone/all", retained=False, body=None)
    assert arrivals([said(1, "a", 1), cleared, said(3, "a", 1)]) == [1, 3]


def test_crossings_are_counted_over_all_sessions() -> None:
    messages = [said(1, "a", 0, 3), said(2, "a", 0, 5), said(3, "b", 0, 0), said(4, "b", 0, 2)]
    assert counted(messages, "entered") == 7


def test_an_event_is_the_reason_for_its_entity_and_its_trigger_alone() -> None:
    def event(
        at: float, kind: str, zone: str, direction: str | None = None, historical: bool = False
    ) -> Heard:
        body = {"type": kind, "zone": zone, "direction": direction, "historical": historical}
        return Heard(at, "demo/camera/street/events", retained=False, body=body)

    heard = [
        event(1, "line_crossed", "my-path", "in"),
        event(2, "line_crossed", "my-path", "out"),
        event(3, "line_crossed", "my-path", "in", historical=True),
        event(4, "zone_entered", "door"),
        event(5, "track_linked", "door"),
        event(6, "loitering", "door"),
    ]
    assert reasons("darner.demo.street.line-my-path-event", heard) == [1, 2]
    assert reasons("darner.demo.street.zone-door-event", heard) == [4, 6]
    assert reasons("crossed in my-path", heard) == [1]
    assert reasons("entered door", heard) == [4]
