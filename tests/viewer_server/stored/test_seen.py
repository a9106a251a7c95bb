"""A viewer without a history shows each event once, however often nodes send it, and remembers little."""

from __future__ import annotations

from typing import Any

import pytest

from shared.wire.messages import Event
from tests.viewer_server.stored.test_history import event
from viewer_server.config import HistorySettings, QuotaSettings
from viewer_server.quotas import Quotas
from viewer_server.stored.history import History
from viewer_server.stored.nodes.seen import BOOTS, MAX_ABOVE, Seen


def seen(nodes: int = 10) -> Seen:
    return Seen(Quotas(QuotaSettings(nodes=nodes)), lambda: 1000.0)


def new(live: Seen, *events: Event) -> list[int | None]:
    return [one.number for one in events if live.add(one)]


def numbered(*numbers: int, **more: Any) -> list[Event]:
    return [event(number, **more) for number in numbers]


def test_what_an_archive_is_sent_again_is_not_new_here() -> None:
    with History(HistorySettings(path=None)) as live:
        first = [live.add(one) for one in numbered(*range(7, 300))]
        again = [live.add(one) for one in numbered(*range(1, 300))]
        assert all(first)
        assert not any(again), "nor what happened before this viewer watched"
        assert live.add(event(300))
        assert live.commit() == [], "nothing is acknowledged"
        assert live.archive == ""


def test_late_events_of_an_earlier_boot_and_those_that_overtake_are_shown_once() -> None:
    live = seen()
    assert new(live, *numbered(1, 2, 5, 6)) == [1, 2, 5, 6]
    assert new(live, *numbered(1, boot="c")) == [1]
    assert new(live, *numbered(3, 5, 4, 6, 7, 3)) == [3, 4, 7]
    assert new(live, event(1), event(1, boot="c")) == []


def test_neither_boots_nor_holes_nor_nodes_fill_the_memory() -> None:
    live = seen(nodes=3)
    for number in range(100):
        live.add(event(1, boot=f"b{number}"))
    assert len(live) == BOOTS
    for number in range(3, 4 * MAX_ABOVE, 2):  # a hole before each
        live.add(event(number, boot="b99"))
    assert live.add(event(2 * MAX_ABOVE + 2, boot="b99")) is False, "too old a hole is waited for no longer"
    for number in range(50):
        live.add(Event(**(vars_of(event(1)) | {"node": f"n{number}"})))
    assert len(live) == 3


def test_holes_of_all_nodes_together_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("viewer_server.stored.nodes.seen.MAX_ABOVE_ALL", 100)
    live = seen()
    live.add(event(1))
    assert live.above == 0
    for node in range(8):
        for number in range(1, 100, 2):  # a hole before each
            live.add(Event(**(vars_of(event(number)) | {"node": f"n{node}"})))
    assert 50 < live.above <= 100
    for boot in range(BOOTS):
        for node in range(8):
            live.add(Event(**(vars_of(event(1, boot=f"other{boot}")) | {"node": f"n{node}"})))
    assert live.above == 0, "boots that are forgotten take nothing"


def vars_of(one: Event) -> dict[str, Any]:
    return {name: getattr(one, name) for name in ("session", "published_us", "camera", "seq", "captured_us",
            "event_id", "type", "occurred_us", "boot", "number")}  # fmt: skip
