"""The judge of what may be taken for live: what it must let pass, and what it must not."""

from __future__ import annotations

import pytest

from shared.wire import messages, topics
from shared.wire.messages import CameraState
from tests.faults.judges.truth import Truth

OLD, NEW = "60000000-aa", "60000001-aa"
Said = tuple[topics.Topic, bytes]


def _head(session: str) -> dict[str, object]:
    return {"node": "n", "session": session, "published_us": 1}


def node(word: str, session: str, reason: str | None = None) -> Said:
    body = {**_head(session), "status": word, "version": "1", "reason": reason}
    return topics.STATUS, messages.encode(messages.NodeStatus(**body))  # type: ignore[arg-type]


def camera(word: CameraState, session: str) -> Said:
    body = {**_head(session), "camera": "c", "status": word, "since_us": 1}
    return topics.CAMERA_STATUS, messages.encode(messages.CameraStatus(**body))  # type: ignore[arg-type]


def zone(number: int, session: str) -> Said:
    body = {**_head(session), "camera": "c", "seq": 0, "captured_us": 1, "zone": "z", "kind": "zone"}
    return topics.ZONE, messages.encode(messages.ZoneState(**body, occupancy=number))  # type: ignore[arg-type]


def count(number: int, session: str) -> Said:
    body = {**_head(session), "camera": "c", "captured_us": 1, "total": number, "classes": {}}
    return topics.COUNT, messages.encode(messages.CountState(**body))  # type: ignore[arg-type]


FIRST = [camera("starting", OLD), node("online", OLD), zone(2, OLD), count(2, OLD), camera("streaming", OLD)]
KILLED = [*FIRST, node("offline", OLD, "lost")]
ZEROS = [camera("starting", NEW), zone(0, NEW), count(0, NEW)]


@pytest.mark.parametrize(
    ("said", "says"),
    [
        pytest.param([*KILLED, *ZEROS, node("online", NEW), camera("streaming", NEW)], None, id="in order"),
        pytest.param([*KILLED, node("online", NEW), *ZEROS], "by session", id="online before starting"),
        pytest.param(
            [*KILLED, camera("starting", NEW), node("online", NEW), camera("streaming", NEW), zone(0, NEW)],
            "zone/z: 2 objects",
            id="streaming before the numbers",
        ),
        pytest.param(
            [*KILLED, *ZEROS[:2], node("online", NEW), camera("paused", NEW)],
            "count: 2 objects",
            id="paused with an old count",
        ),
        pytest.param([*FIRST, node("offline", OLD)], "left after the farewell", id="a farewell of two"),
        pytest.param(
            [*FIRST, zone(0, OLD), count(0, OLD), node("offline", OLD)], None, id="a farewell of nobody"
        ),
        pytest.param([*FIRST, (topics.ZONE, b"{}")], None, id="garbage"),
        pytest.param(
            [
                *KILLED,
                (topics.ZONE, b""),
                (topics.CAMERA_STATUS, b""),
                (topics.COUNT, b""),
                node("online", NEW),
            ],
            None,
            id="cleared",
        ),
    ],
)
def test_a_dead_runs_number_that_seems_live_is_named(said: list[Said], says: str | None) -> None:
    truth = Truth()
    for row, payload in said:
        ids = {"node": "n", "camera": "c", "zone": "z"}
        wanted = {name: value for name, value in ids.items() if f"{{{name}}}" in row.pattern}
        truth.take(row.path(topics.DEFAULT_PREFIX, **wanted), payload)
    assert truth.believed >= 1
    assert bool(truth.problems) == (says is not None), truth.problems
    assert says is None or says in truth.problems[0]
