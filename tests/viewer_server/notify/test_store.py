"""The file of alerts has bounds, and what they cost is counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from viewer_server.notify.alert import KeptAlert
from viewer_server.notify.store import AT_ONCE, AlertStore, Outcome
from viewer_server.targets import NotifySettings

DAY_US = 86_400_000_000


def alert(number: int, node: str = "n") -> KeptAlert:
    about: Any = {"severity": "info", "text": "x", "trigger": "event", "occurred_us": number}
    return KeptAlert(event_id=f"{node}-b-{number}", node=node, rule="r", **about)


@contextmanager
def opened(folder: Path, **settings: Any) -> Iterator[AlertStore]:
    with AlertStore(folder / "alerts.db", NotifySettings(**settings)) as store:
        yield store


def test_what_is_too_old_goes_and_what_waited_is_counted(tmp_path: Path) -> None:
    with opened(tmp_path, keep_days=2.0) as store:
        old, new = store.add([(alert(1), [("mail", "waiting"), ("hook", "waiting")])], 0), DAY_US
        store.note("hook", old, Outcome("delivered", 5, "ok"))
        [kept] = store.add([(alert(2), [("mail", "waiting")])], new)
        assert store.prune(DAY_US) == []
        assert store.prune(2 * DAY_US + 1) == old
        assert store.given_up() == {"mail": 1}
        assert [one.alert for one in store.waiting("mail")] == [kept]


def test_what_is_too_much_goes_from_the_node_that_has_the_most(tmp_path: Path) -> None:
    with opened(tmp_path, max_alerts=10) as store:
        [quiet] = store.add([(alert(1, "quiet"), [])], 1)
        store.add([(alert(number, "loud"), []) for number in range(300)], 2)
        gone = store.prune(3)
        assert len(gone) == AT_ONCE
        while more := store.prune(3):
            gone += more
        assert quiet not in gone
        assert len(store.load(range(1, 400))) <= 10


def test_a_full_file_makes_room(tmp_path: Path) -> None:
    with opened(tmp_path, max_mb=1.0) as store:
        for number in range(40):
            [found] = store.add([(alert(number), [])], number)
            store.add_pictures({found: bytes(50_000)})
        while store.prune(50):
            continue
        kept = store.load(range(1, 100))
        assert 0 < len(kept) <= 20
        assert kept[-1][1].event_id == "n-b-39"


def test_a_failed_attempt_does_not_undo_what_somebody_decided_meanwhile(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        numbers = store.add([(alert(1), [("mail", "waiting")])], 1)
        store.note("mail", numbers, Outcome("dropped", 2, "given up by hand", attempts=0))
        store.note("mail", numbers, Outcome("waiting", 3, "no answer", 4))
        assert store.waiting("mail") == []
        assert store.undelivered(("dropped",)) == {"mail": numbers}
