"""What the viewer keeps in memory is bounded: thousands of tracks take no more than hundreds."""

from __future__ import annotations

import gc
import os
import platform
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from shared.wire import topics
from shared.wire.messages import EventType, ZoneDefinition, now_us
from tests.bench.detector.family import Family
from tests.conftest import wait_until
from tests.viewer_server.fake_edge import FakeEdge, picture_of
from tests.viewer_server.process import ViewerProcess
from viewer_server.memory import Settler, Trimmer

FILLED = 400
"""Tracks, after which every cache is as large as it gets."""
MORE = 1200
AT_ONCE = 50
ALLOWED_MB = 2.0
"""Twice what was seen, so whatever keeps 1.7 kB a track is found. It was 13 MB when the collector copied what
the worker shares with its parent, and SQLite chose the size of its page caches."""
KINDS: tuple[EventType, ...] = ("track_started", "zone_entered", "zone_exited", "track_ended")
JPEG = picture_of(1)


def _live(edge: FakeEdge, tracks: range) -> None:
    """Tracks that come, are in a zone and go, with a frame and a best picture each."""
    for track in tracks:
        for turn, kind in enumerate(KINDS):
            zone = "square" if kind.startswith("zone") else None
            dwell_s = 2.5 if kind == "zone_exited" else None
            number = 1 + track * len(KINDS) + turn
            edge.event("yard", kind, number, boot="b", track_id=track, zone=zone, dwell_s=dwell_s)
        edge.detections("yard", track)
        edge.picture("yard", track, JPEG)
        edge.zone("yard", "square", entered=track, exited=track)
        about = {"session": edge.session, "seq": str(track), "captured_us": str(now_us())}
        path = edge.path(topics.SNAPSHOT, camera="yard", track=str(track))
        edge.client.publish(topics.SNAPSHOT, path, JPEG, user_properties=about)


linux = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="only Linux says what is allocated"
)


@linux
@pytest.mark.long
def test_memory_does_not_grow_with_what_has_passed(own_broker: Any, tmp_path: Path) -> None:
    history = f"history.path={tmp_path / 'history.db'}"
    with (
        ViewerProcess(own_broker.url, tmp_path, history) as viewer,
        FakeEdge(own_broker.url) as edge,
        viewer.watching(),
    ):
        edge.announce("yard")
        edge.zones("yard", {"square": ZoneDefinition(polygon=((0, 0), (1, 0), (1, 1)))}, {})
        viewer.wait(cameras=1)
        family, sizes = Family(viewer.process.pid), []
        for first in range(0, FILLED + MORE, AT_ONCE):
            _live(edge, range(first, first + AT_ONCE))
            # Else what waits to be handled would be what is measured.
            wait_until(partial(_has_taken, viewer, first + AT_ONCE))
            if first + AT_ONCE >= FILLED:
                sizes.append(family.read()["anonymous MB"])
    assert sizes[-1] - sizes[0] < ALLOWED_MB, sizes


@linux
@pytest.mark.skipif(not platform.libc_ver()[0], reason="only glibc keeps it, and gives it back when asked")
def test_what_a_backlog_took_is_given_back() -> None:
    family = Family(os.getpid())
    Trimmer().now()  # what earlier tests left
    before = family.read()["anonymous MB"]
    waiting = [bytes(30_000 + number % 7000) for number in range(2000)]
    lives_on = waiting[:: len(waiting) // 40]
    full = family.read()["anonymous MB"]
    del waiting
    Trimmer().now()
    assert full - before > 50
    assert family.read()["anonymous MB"] - before < 10
    assert len(lives_on) == 40


def _has_taken(viewer: ViewerProcess, tracks: int) -> bool:
    """Whether all events and best pictures of this many tracks have arrived."""
    wanted = {"events": len(KINDS) * tracks, "snapshot": tracks}
    counts = {name: viewer.metric(f'darner_viewer_messages_total{{topic="{name}"}}') for name in wanted}
    return counts == wanted


def test_what_a_fleet_takes_is_left_alone_by_the_collector_each_time_that_the_fleet_has_grown() -> None:
    thresholds, before = gc.get_threshold(), gc.get_freeze_count()
    try:
        settle = Settler()
        settle(400)
        assert gc.get_freeze_count() == before, "few nodes are visited in no time"
        counts, fleets = [], []
        for size in (1000, 1200, 2000):
            fleets.append([[number] for number in range(1000)])
            settle(size)
            counts.append(gc.get_freeze_count())
        # What other threads let go is not counted any more.
        assert before + 1000 < counts[0]
        assert counts[1] < counts[0] + 1000, "the fleet has not grown by half"
        assert counts[1] + 1000 < counts[2]
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
