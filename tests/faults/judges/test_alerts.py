"""The judge of alerts sees what is wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.wire.messages import PictureName
from shared.wire.picture_names import with_name
from tests.faults.judges.alerts import Alert, Got, missing, problems

JPEG = b"\xff\xd8\xff\xd9"
ALERTS = [
    Alert(f"n-b-{number}", "r" if number < 4 else "other", "s", 100.0 + number, None) for number in range(5)
]
ALL = [Got(one.event_id, (one.event_id,), late=True) for one in ALERTS]


@pytest.mark.parametrize(
    ("got", "says"),
    [
        (ALL, None),
        ([*ALL, ALL[2]], None),  # again: receivers know it by its identifier
        ([Got("n-b-0+4", ("n-b-0", "n-b-1", "n-b-2", "n-b-3"), late=True), ALL[4]], None),
        ([ALL[4], *ALL[:4]], None),  # of another rule
        (ALL[:-1], "n-b-4 never came"),
        ([*ALL, Got("x", ("x",), late=False)], "x is no alert"),
        ([ALL[1], ALL[0], *ALL[2:]], "n-b-0 came behind a newer one"),
        ([Got("n-b-0", ("n-b-0",), late=False), *ALL[1:]], "n-b-0 does not say that it is late"),
    ],
)
def test_the_judge_sees_what_is_wrong(got: list[Got], says: str | None) -> None:
    found = problems(ALERTS, "hook", got, down=(99.0, 150.0))
    assert (says in found[0]) if says else found == []


def test_no_kill_excuses_a_missing_picture_and_one_a_better_view() -> None:
    dark = [(101.0, 103.0)]
    assert len(problems(ALERTS, "hook", ALL, pictures=True, dark=dark)) == len(ALERTS)
    name = PictureName(session="s", seq=1, captured_us=110_000_000, width=1, height=1)
    better = [replace(one, jpeg=with_name(JPEG, name)) for one in ALL]
    assert problems(ALERTS, "hook", better, pictures=True, dark=dark) == []
    assert len(problems(ALERTS, "hook", better, pictures=True)) == len(ALERTS)


def test_an_alert_is_missing_only_where_it_is_to_go() -> None:
    alert = Alert("n-b-9", "r", "s", 1.0, ("mail",))
    assert (missing([alert], "hook", []), missing([alert], "mail", [])) == (set(), {"n-b-9"})


def test_a_mail_names_its_alerts() -> None:
    text = "n-b-1 (late)\nAnd 2 more:\n2026-11-29 21:00:00 UTC: It is 2 [n-b-2]\nx: [odd] It is [n-b-3]\n"
    assert Got.from_mail(text) == Got("n-b-1", ("n-b-1", "n-b-2", "n-b-3"), late=True)
