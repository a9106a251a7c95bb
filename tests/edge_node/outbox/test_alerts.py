"""An alert is sent twice, as an event and on its own topic, and is safe when the broker has both."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from edge_node.outbox import sender
from edge_node.outbox.pictures import key_of
from shared.wire import topics
from shared.wire.messages import Event
from tests.conftest import wait_until
from tests.edge_node.outbox.outboxes import Network, acknowledge, add, event, held, running


def test_an_alert_goes_on_both_topics_its_own_first_and_with_the_same_bytes(tmp_path: Path) -> None:
    network = Network()
    network.connect()
    with running(network, tmp_path) as outbox:
        add(outbox, 1)
        outbox.add(event(kind="alert"))
        add(outbox, 1)
        assert outbox.drain(30)
    assert network.order == ["events", "alert", "events", "events"]
    assert network.alerts == [one for one in network.sent if one.type == "alert"]


def test_an_alert_with_one_answer_is_not_safe(tmp_path: Path) -> None:
    network = Network(answers=False)
    network.connect()
    with running(network, tmp_path, keep_s=0) as outbox:
        outbox.add(event(kind="alert"))
        wait_until(lambda: len(network.order) == 2)
        network.tell(network.unanswered.pop(0))
        assert not outbox.drain(0.3)
        assert held(outbox) == 1
        network.tell(network.unanswered.pop(0))
        assert outbox.drain(30)
        wait_until(lambda: held(outbox) == 0)


def test_both_copies_come_again_after_the_connection_was_lost_between_them(tmp_path: Path) -> None:
    network = Network(answers=False)
    network.connect()
    with running(network, tmp_path) as outbox:
        outbox.add(event(kind="alert"))
        wait_until(lambda: len(network.order) == 2)
        network.tell(1)
        network.answers = True
        network.connect()
        wait_until(lambda: network.order == ["alert", "events"] * 2)
        assert outbox.drain(30)
    assert len({one.event_id for one in network.sent + network.alerts}) == 1


def test_an_alert_refused_on_its_own_topic_is_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "REFUSED_S", 0.1)
    network = Network()
    network.refused = {topics.ALERT}
    network.connect()
    with running(network, tmp_path) as outbox:
        outbox.add(event(kind="alert"))
        wait_until(lambda: len(network.alerts) >= 2)
        network.refused = set()
        assert outbox.drain(30)
        wait_until(lambda: outbox.metrics().backlog == 0)


def test_an_archive_that_has_an_alert_lets_it_go(tmp_path: Path) -> None:
    network = Network()
    network.connect()
    with running(network, tmp_path) as outbox:
        acknowledge(outbox, outbox.add(event()).boot, 0)
        alert = outbox.add(event(kind="alert"))
        wait_until(lambda: len(network.alerts) == 1)
        acknowledge(outbox, alert.boot, 2)
        wait_until(lambda: held(outbox) == 0)


def alert(number: int) -> Event:
    return event(kind="alert", snapshot=f"darner/v1/n/camera/c/snapshot/{number}")


def pictures_held(folder: Path) -> list[tuple[str, bytes]]:
    with closing(sqlite3.connect(folder / "o.db")) as db:
        return db.execute("SELECT key, jpeg FROM alert_pictures ORDER BY key").fetchall()


def test_an_alert_whose_archive_was_dead_is_sent_with_its_picture_by_the_next_run(tmp_path: Path) -> None:
    first, second = alert(1), alert(2)
    network = Network()
    network.connect()
    with running(network, tmp_path) as outbox:
        acknowledge(outbox, outbox.add(event()).boot, 0)  # an archive that is gone before the alerts
        outbox.add(first, b"one")
        outbox.add(second, lambda: b"two")  # made when it is written
        outbox.add(second)  # another rule about the same frame
        outbox.add(replace(first, session="later"), b"three")  # frames of another run have the same topics
        assert outbox.drain(30)
    assert network.order == [
        "events",
        *["snapshot", "alert", "events"] * 2,
        "alert",
        "events",
        "snapshot",
        "alert",
        "events",
    ]
    again = Network()
    again.connect()
    with running(again, tmp_path) as outbox:
        wait_until(lambda: len(again.sent) == 5)
        assert again.pictures == [
            (str(first.snapshot), b"one"),
            (str(second.snapshot), b"two"),
            (str(first.snapshot), b"three"),
        ]
        acknowledge(outbox, again.sent[0].boot, 3)
        wait_until(lambda: held(outbox) == 2)
    assert pictures_held(tmp_path) == [
        (key_of("later", str(first.snapshot)), b"three"),
        (key_of("s", str(second.snapshot)), b"two"),
    ], "one alert still needs it"


def test_pictures_give_way_and_their_alerts_stay(tmp_path: Path) -> None:
    network = Network()
    network.connect()
    with running(network, tmp_path, max_mb=0.04) as outbox:  # 10 kB of pictures
        acknowledge(outbox, outbox.add(event()).boot, 0)
        for number in range(4):
            outbox.add(alert(number), bytes(4000))
        outbox.add(alert(5), lambda: bytes(1 // 0))  # a fault
        assert outbox.drain(30)
        wait_until(lambda: len(network.sent) == 6)
    assert [path.rpartition("/")[2] for path, _ in pictures_held(tmp_path)] == ["2", "3"]
