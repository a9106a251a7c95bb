"""What is stored, what is acknowledged, and what a restarted viewer still knows."""

from __future__ import annotations

import logging
import resource
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.wire import topics
from shared.wire.messages import Ack, Event, EventType, Gap, decode, encode
from tests.conftest import MosquittoProcess, wait_until
from viewer_server.config import HistorySettings
from viewer_server.live.hub import Hub
from viewer_server.live.metrics import ViewerMetrics
from viewer_server.live.state import State
from viewer_server.mqtt.subscriber import Subscriber
from viewer_server.stored import prune
from viewer_server.stored.files import used_bytes
from viewer_server.stored.history import History
from viewer_server.stored.nodes.boots import Mark
from viewer_server.stored.reading import Database


def event(number: int, *, boot: str = "b", kind: EventType = "zone_entered", **more: Any) -> Event:
    return Event(
        node="n",
        session="s",
        published_us=1,
        camera="c",
        seq=1,
        captured_us=1,
        event_id=f"n-{boot}-{number}",
        type=kind,
        occurred_us=1,
        boot=boot,
        number=number,
        **({"oldest": 1} | more),
    )


def opened(folder: Path, **settings: Any) -> History:
    return History(HistorySettings(path=str(folder / "h.db"), **settings))


def acknowledged(history: History, *events: Event) -> int:
    for one in events:
        history.add(one)
    [mark] = [mark for mark in history.commit() if mark.boot == events[-1].boot]
    return mark.number


def test_an_event_is_stored_once_and_survives(tmp_path: Path) -> None:
    with opened(tmp_path) as history:
        assert [history.add(event(number)) for number in (1, 2, 1)] == [True, True, False]
        assert history.due_s
        assert history.commit() == [Mark("n", "b", 2)]
        assert not history.due_s
    with opened(tmp_path) as history:
        assert not history.add(event(2))
        assert [one.event_id for one in history.recent(10)] == ["n-b-1", "n-b-2"]
        assert history.newest_marks() == [Mark("n", "b", 2)]


def test_what_is_not_committed_is_not_acknowledged_and_not_known_after_a_crash(tmp_path: Path) -> None:
    with opened(tmp_path) as history:
        acknowledged(history, event(1))
        history.add(event(2))
        crashed = shutil.copytree(tmp_path, tmp_path / "crashed")  # what a power cut leaves on the disk
        with opened(crashed) as restarted:
            assert not restarted.add(event(1))
            assert restarted.add(event(2))


def gap(number: int, first: int, last: int, boot: str = "b") -> Event:
    return event(number, kind="gap", gap=Gap(boot=boot, first=first, last=last, count=last - first + 1))


@pytest.mark.parametrize(
    ("events", "watermark"),
    [
        ([event(1), event(2), event(4)], 2),  # a hole
        ([event(4), event(1), event(3), event(2)], 4),  # filled later, in any order
        ([event(1), event(5, oldest=5)], 5),  # its node has nothing below any more
        ([event(1), event(5, oldest=4)], 3),
        ([event(7, oldest=7), event(8, oldest=7)], 8),  # the first that is ever heard of a node
        ([event(7, oldest=5)], 4),
        ([event(7, oldest=None), event(8, oldest=None), event(10, oldest=None)], 8),  # it does not say
        ([event(1), event(5), gap(6, 2, 4)], 6),
        ([event(1), gap(6, 3, 5), event(2)], 6),  # a gap above a hole
        ([event(1), gap(9, 2, 4), event(5)], 5),
        ([event(1), event(3), event(2, boot="c", oldest=2), gap(3, 2, 2, boot="b")], 3),
        ([event(3, oldest=1), event(5, oldest=99)], 5),  # nobody's oldest is above what it sends
    ],
)
def test_the_watermark_is_where_the_first_hole_begins(
    tmp_path: Path, events: list[Event], watermark: int
) -> None:
    with opened(tmp_path) as history:
        for one in events:
            history.add(one)
        assert {mark.boot: mark.number for mark in history.commit()}["b"] == watermark
    with opened(tmp_path) as history:
        last = event(1)
        assert acknowledged(history, last) == watermark, "the same after a restart"


def test_a_hole_that_is_never_filled_is_given_up_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = 100.0
    with History(HistorySettings(path=str(tmp_path / "h.db")), lambda: clock) as history:
        acknowledged(history, event(1), event(4))
        clock += 10_000  # silence is no reason: the node may be away, with what is missing
        assert acknowledged(history, event(5)) == 1
        for _ in range(70):  # but it is there, and sends again what comes after
            clock += 1
            number = acknowledged(history, event(4), event(5))
        assert number == 5
        assert history.holes == 2
    assert "events 2 to 3 of n" in caplog.text


@contextmanager
def no_file_grows(folder: Path) -> Iterator[None]:
    """As on a full disk: SQLite cannot make any of its files larger."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    largest = max(path.stat().st_size for path in folder.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_acknowledges_nothing_and_recovers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(tmp_path) as history:
        acknowledged(history, event(1))
        wide = [event(number, label="x" * 120, snapshot="y" * 500) for number in range(2, 100)]
        with no_file_grows(tmp_path):
            for one in wide:
                assert history.add(one), "still shown"
            assert all(mark.number < 99 for mark in history.commit())
        assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1
        assert acknowledged(history, *wide) == 99


@pytest.mark.parametrize("path", [None, "/dev/null/h.db"])
def test_without_a_file_nothing_is_acknowledged(path: str | None) -> None:
    with History(HistorySettings(path=path)) as history:
        assert not history.is_open
        assert history.add(event(1))
        assert not history.add(event(1)), "it was shown already"
        assert history.commit() == []
        assert list(history.recent(10)) == []


def test_it_is_bounded_by_bytes_and_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune, "EVERY_S", -1.0)
    with opened(tmp_path, max_mb=1) as history:
        for first in range(1, 4000, 100):
            numbers = range(first, first + 100)
            assert acknowledged(history, *map(event, numbers)) == numbers[-1]
        kept = [one.number for one in history.recent(10_000)]
        assert 500 < len(kept) < 2500
        assert kept[-1] == 4000
        with Database(tmp_path / "h.db").reading() as db:
            assert used_bytes(db) < 1.1e6
    with opened(tmp_path, max_age_days=1e-9) as history:
        for number in range(4001, 4012):  # a little with each commit
            time.sleep(0.001)  # ten times the age
            acknowledged(history, event(number))
        assert {one.number for one in history.recent(1000)} <= {4011}


def test_a_second_viewer_on_the_same_file_stores_nothing_and_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(tmp_path), opened(tmp_path) as second:
        assert not second.is_open
    assert "another viewer has it open" in caplog.text
    with opened(tmp_path) as history:
        assert history.is_open


def test_recent_events_leave_room_for_those_that_are_not_of_tracks(tmp_path: Path) -> None:
    with opened(tmp_path) as history:
        acknowledged(history, event(1), *(event(n, kind="track_started") for n in range(2, 50)), event(50))
        recent = [one.number for one in history.recent(5)]
    assert recent == [45, 46, 47, 48, 49, 1, 50]


@contextmanager
def viewing(url: str, path: Path | None) -> Iterator[tuple[Hub, ViewerMetrics]]:
    hub = Hub(State(topics.DEFAULT_PREFIX), 1, {})
    metrics = ViewerMetrics(hub)
    settings = HistorySettings(path=None if path is None else str(path))
    with Subscriber(MqttSettings(url=url), hub, metrics, History(settings), lambda _: None):
        # Of the last topic it subscribes to: then it has all of them.
        wait_until(lambda: b'messages_total{topic="zone"}' in metrics.text())
        yield hub, metrics


def shown(hub: Hub) -> list[str]:
    return [update.key[-1] for update in hub.state.everything() if update.kind == "event"]


def test_a_viewer_acknowledges_what_it_stored_and_knows_it_after_a_restart(
    own_broker: MosquittoProcess, tmp_path: Path
) -> None:
    path = tmp_path / "h.db"
    names: set[str] = set()
    with Client(MqttSettings(url=own_broker.url), name="edge") as edge:
        edge.subscribe("darner/v1/n/ack/+", 1)
        assert edge.wait_subscribed(30)
        edge.set_state(topics.ZONE, "darner/v1/n/camera/c/zone/z", b"{}")
        for round_ in (1, 2):
            with viewing(own_broker.url, path) as (hub, metrics):
                assert len(shown(hub)) == (0 if round_ == 1 else 2)
                for number in (1, 2, 2):
                    edge.publish(topics.EVENTS, "darner/v1/n/camera/c/events", encode(event(number)))
                expected = 2 * round_ - 1  # all of the second round
                wait_until(partial(lambda counts, count: repeated(counts) == count, metrics, expected))
                while (ack := decode(Ack, edge.received.get(30).payload)).number < 2:
                    pass
                assert (ack.node, ack.boot) == ("n", "b")
                names.add(ack.archive)
        assert len(names) == 1, "an archive keeps its name"
        with viewing(own_broker.url, tmp_path / "another.db"):
            edge.publish(topics.EVENTS, "darner/v1/n/camera/c/events", encode(event(3)))
            while (received := edge.received.get(30)).topic in {f"darner/v1/n/ack/{name}" for name in names}:
                pass
            assert received.topic == f"darner/v1/n/ack/{decode(Ack, received.payload).archive}"


def repeated(metrics: ViewerMetrics) -> float:
    [sample] = [s for m in metrics.repeated.collect() for s in m.samples if s.name.endswith("_total")]
    return sample.value


def test_a_viewer_without_a_history_acknowledges_nothing(own_broker: MosquittoProcess) -> None:
    with Client(MqttSettings(url=own_broker.url), name="edge") as edge:
        edge.subscribe("darner/v1/n/ack/+", 1)
        assert edge.wait_subscribed(30)
        edge.set_state(topics.ZONE, "darner/v1/n/camera/c/zone/z", b"{}")
        with viewing(own_broker.url, None) as (_, metrics):
            edge.publish(topics.EVENTS, "darner/v1/n/camera/c/events", encode(event(1)))
            wait_until(lambda: b'messages_total{topic="events"} 1.0' in metrics.text())
        with pytest.raises(TimeoutError):
            edge.received.get(0.3)


def test_the_history_may_be_below_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    settings = HistorySettings(path="~/cameras.db")
    assert settings.file == Path("/home/somebody/cameras.db")
    assert settings.zones_file == Path("/home/somebody/cameras-zones.db")
