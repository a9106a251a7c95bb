"""The judge of finished tracks: what may be lost, and what may not."""

from __future__ import annotations

import pytest

from tests.faults.judges.tracks import Tracks


def heard(ended: str, told: str, how: str = "lost") -> Tracks:
    """Of tracks named by session and number, such as a1: whose end an event told, and who was told of."""
    tracks = Tracks()
    for name in ended.split():
        tracks.event({"type": "track_ended", "session": name[0], "camera": "c", "track_id": int(name[1:])})
        tracks.event({"type": "line_crossed"})
    for name in told.split():
        tracks.track({"session": name[0], "camera": "c", "track_id": int(name[1:]), "ended": how})
    return tracks


@pytest.mark.parametrize(
    ("tracks", "may_lose", "says"),
    [
        pytest.param(heard("a1 a2", "a1 a2 a2"), False, None, id="all, one twice"),
        pytest.param(heard("a1 a2", "a1"), False, "1 of 2", id="one is missing"),
        pytest.param(heard("a1 a2", "a1"), True, None, id="one is missing, and the broker was killed"),
        pytest.param(heard("a1 b2", "a1"), False, None, id="one is missing, and the node was started again"),
        pytest.param(heard("a1", "a1 a2"), False, "no event ended", id="one too many"),
        pytest.param(heard("", "a1", "node_stopped"), False, None, id="the node stopped before its end"),
    ],
)
def test_the_judge_knows_what_may_be_lost(tracks: Tracks, may_lose: bool, says: str | None) -> None:
    found = tracks.problems(may_lose=may_lose)
    assert len(found) == (says is not None)
    assert says is None or says in found[0]
