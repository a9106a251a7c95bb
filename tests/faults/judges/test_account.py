"""The judge of the fault tests: what it must let pass, and what it must not."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from shared.errors import MessageError
from shared.wire import messages, topics
from tests.faults.garbage import EXAMPLES, MAKERS, Maker
from tests.faults.judges.account import Arrival, Key, Stored, judge, read_archive, read_promises
from viewer_server.config import HistorySettings
from viewer_server.stored.history import History

BOOT = "6b-a"
KEYS = [Key(BOOT, number) for number in range(1, 6)]


def stored(keys: Sequence[Key] = KEYS) -> list[Stored]:
    return [Stored(key, "front", key.number, None) for key in keys]


def arrived(keys: Sequence[Key] = KEYS) -> list[Arrival]:
    return [Arrival(key, historical=False) for key in keys]


def test_what_was_promised_came_and_what_came_again_is_counted() -> None:
    again = Arrival(KEYS[1], historical=True)
    account = judge(KEYS, stored(), [*arrived(), again])
    assert (account.produced, account.delivered, account.lost, account.repeated) == (5, 5, 0, 1)
    assert account.problems == ()


def test_what_is_told_of_a_camera_has_no_place_among_the_frames_that_are_analysed() -> None:
    told = Stored(KEYS[2], "front", None, None)
    assert judge(KEYS, [*stored(KEYS[:2]), told, *stored()[3:]], arrived()).problems == ()


def test_the_archive_may_store_in_any_order_what_is_in_order_by_number() -> None:
    late = [Arrival(KEYS[0], historical=True)]
    assert judge(KEYS, stored(KEYS[::-1]), [*arrived(KEYS[1:]), *late]).problems == ()


@pytest.mark.parametrize(
    ("promised", "archive", "arrivals", "says"),
    [
        pytest.param([], [], [], "no event was produced", id="a run that shows nothing"),
        pytest.param(KEYS, stored(KEYS[:4]), arrived(KEYS[:4]), "1 events lost", id="the last is lost"),
        pytest.param(
            [KEYS[0], *KEYS[2:]],
            stored([KEYS[0], *KEYS[2:]]),
            arrived([KEYS[0], *KEYS[2:]]),
            "4 events numbered 1 to 5",
            id="one is missing that was never written down",
        ),
        pytest.param(KEYS, stored([*KEYS, KEYS[0]]), arrived(), "stored twice", id="twice in the archive"),
        pytest.param(KEYS[:4], stored(), arrived(), "nobody promised", id="an event out of nothing"),
        pytest.param(KEYS, stored(), arrived(KEYS[:4]), "never seen", id="the subscriber got less"),
        pytest.param(
            KEYS[:4],
            stored(KEYS[:4]),
            arrived(),
            "seen and not stored",
            id="the archive got less",
        ),
        pytest.param(KEYS, stored(), arrived(KEYS[::-1]), "came live after", id="live out of order"),
        pytest.param(
            KEYS,
            [*stored(KEYS[:4]), Stored(KEYS[4], "front", 1, None)],
            arrived(),
            "comes after one of frame 4",
            id="numbered against the order of the frames",
        ),
        pytest.param(
            KEYS,
            [*stored(KEYS[:4]), Stored(KEYS[4], "front", 0, (BOOT, 7, 9))],
            arrived(),
            "gave up events 7 to 9",
            id="the node gave events up",
        ),
    ],
)
def test_nothing_wrong_passes(
    promised: list[Key], archive: list[Stored], arrivals: list[Arrival], says: str
) -> None:
    assert any(says in problem for problem in judge(promised, archive, arrivals).problems)


def test_a_killed_edge_may_have_promised_more_than_it_could_write_down() -> None:
    assert judge(KEYS[:4], stored(), arrived(), kills=1).problems == ()


def test_a_killed_broker_may_have_forgotten_what_it_kept_for_a_subscriber_but_not_for_the_archive() -> None:
    account = judge(KEYS, stored(), arrived(KEYS[2:]), may_miss=True)
    assert (account.missed, account.lost, account.problems) == (2, 0, ())


def test_a_promise_cut_short_is_none() -> None:
    assert read_promises(f"{BOOT} 1 front\n{BOOT} 2 back\n{BOOT} 3") == {
        KEYS[0]: "front",
        KEYS[1]: "back",
    }


def test_the_archive_is_read_as_the_viewer_writes_it(tmp_path: Path) -> None:
    body = orjson.loads((EXAMPLES / "events.json").read_bytes())["payload"]
    event = messages.decode(messages.Event, orjson.dumps(body))
    with History(HistorySettings(path=str(tmp_path / "history.db"))) as history:
        history.add(event)
        history.add(event)
    assert event.boot is not None
    assert event.number is not None
    assert read_archive(tmp_path / "history.db", event.node) == [
        Stored(Key(event.boot, event.number), event.camera, event.seq, None)
    ]
    with pytest.raises(sqlite3.OperationalError):
        read_archive(tmp_path / "nothing" / "history.db", event.node)


@pytest.mark.parametrize("maker", [maker for maker, _ in MAKERS], ids=lambda maker: str(maker.__name__))
def test_garbage_is_nothing_that_anybody_could_take_for_a_message(maker: Maker) -> None:
    dice = random.Random(4)
    for row in topics.TABLE:
        payload = maker(dice, row)
        if row.payload != "jpeg":
            with pytest.raises(MessageError):
                messages.decode(row.payload, payload)
