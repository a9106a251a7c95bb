"""What is paused keeps what it has counted, counts nothing, and begins anew afterwards."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest

from edge_node.analytics.paused import NOTHING, Paused
from edge_node.analytics.pauses import Pauses, PauseSource
from edge_node.analytics.watch import IDLE_S
from shared.wire.messages import Crowd, LineDefinition, PauseReason, ZoneDefinition
from tests.edge_node.analytics.test_watch import new_watch, seen
from tests.edge_node.scenes import Actor, Played, clock, film, play, square, stand, walk

ZONE = ZoneDefinition(
    polygon=square(), queue=True, loitering_s=3.0, crowd=Crowd(count=1, after_s=0.5), exit_after_s=0.5
)
LINE = LineDefinition(points=((0.5, 1.0), (0.5, 0.0)))
Reasons = Mapping[str, PauseReason] | PauseReason | None


@pytest.mark.parametrize(
    ("said", "every", "places"),
    [
        ([("schedule", {"a": "schedule"})], None, {"a": "schedule"}),
        ([("schedule", {"a": "schedule"}), ("schedule", {"b": "schedule"})], None, {"b": "schedule"}),
        ([("schedule", {"a": "schedule"}), ("health", "moved")], "moved", {}),
        ([("health", "moved"), ("schedule", {"a": "schedule"})], "moved", {}),
        ([("health", "moved"), ("schedule", {"a": "schedule"}), ("health", None)], None, {"a": "schedule"}),
        (
            [("schedule", "schedule"), ("health", {"a": "moved", "b": "frozen"})],
            "schedule",
            {"a": "moved", "b": "frozen"},
        ),
        ([("schedule", "schedule"), ("schedule", {})], None, {}),
    ],
)
def test_each_source_says_all_that_it_pauses_and_a_problem_goes_before_a_schedule(
    said: list[tuple[PauseSource, Reasons]], every: PauseReason | None, places: dict[str, PauseReason]
) -> None:
    pauses = Pauses()
    for source, reasons in said:
        pauses.set(source, reasons)
    assert pauses.now == Paused(every, places)
    for name in ("a", "b", "c"):
        assert pauses.now.why(name) == places.get(name, every)


def test_a_pause_between_two_frames_is_not_missed() -> None:
    pauses = Pauses()
    pauses.set("schedule", {"a": "schedule"})
    pauses.set("health", "covered")
    pauses.set("health", None)
    pauses.set("schedule", None)
    assert pauses.changed
    since, now = pauses.take()
    assert (since.why("a"), since.why("b"), now) == ("schedule", "covered", NOTHING)
    pauses.set("schedule", {})
    assert pauses.take() == (NOTHING, NOTHING)


def paused_at(
    pauses: dict[int, Paused], actors: list[Actor], seconds: float = 8.0, **lines: LineDefinition
) -> Played:
    """A film of ten frames a second; the pauses begin before the frames with these numbers."""
    played = play([], {"z": ZONE, "other": ZONE}, lines)
    for index, frame in enumerate(film(actors, clock(10, seconds))):
        if index in pauses:
            played.happenings += played.analytics.pause(pauses[index])
        played.feed([frame])
    return played


def test_a_zone_that_pauses_closes_its_stays_as_a_restart_does_and_counts_nothing() -> None:
    inside, leaving = Actor(1, stand(0.5, 0.5)), Actor(2, walk((0, 0.7, 0.5), (1.9, 0.7, 0.5), (2, 0.8, 0.5)))
    late = Actor(3, stand(0.4, 0.5, start=4.0))
    played = paused_at({23: Paused(None, {"z": "schedule"})}, [inside, leaving, late])
    of_zone = [(h.type, h.track_id, round(h.occurred_s, 3)) for h in played.happenings if h.zone == "z"]
    assert of_zone[-4:] == [
        ("zone_lost", 1, 2.2),
        ("zone_exited", 2, 2.0),
        ("queue_ended", None, 2.2),
        ("crowd_ended", None, 2.2),
    ]
    one, before = played.numbers["z"], played.reports[22].numbers["z"]
    assert (one.paused, one.occupancy, one.queue and one.queue.length, one.crowded) == (
        "schedule",
        0,
        0,
        False,
    )
    assert (before.paused, before.occupancy) == (None, 2)
    assert (one.entered, one.exited, one.lost, one.dwell.completed) == (2, 1, 1, 2)
    assert (one.loitering, one.loitering_ids) == (0, ())
    other = played.numbers["other"]
    assert (other.paused, other.occupancy, other.entered) == (None, 2, 3)
    assert played.reports[-1].zones_of == [["other"], ["other"]]


def test_who_is_inside_when_a_zone_counts_again_enters_anew() -> None:
    played = paused_at({10: Paused("moved"), 30: NOTHING}, [Actor(1, stand(0.5, 0.5))])
    stays = [one for one in played.story("zone_entered", "zone_lost", "loitering") if one]
    assert stays[::2] == [
        ("zone_entered", 1, 0.0),
        ("zone_lost", 1, 0.9),
        ("zone_entered", 1, 3.0),
        ("loitering", 1, 6.0),
    ]
    assert played.numbers["z"].entered == 2


@pytest.mark.parametrize(
    ("pauses", "crossed"),
    [
        ({}, ["in", "out"]),
        ({5: Paused(None, {"l": "schedule"})}, []),
        ({25: Paused("covered")}, ["in"]),
        ({25: Paused("covered"), 26: NOTHING}, ["in", "out"]),
        ({5: Paused("covered"), 25: NOTHING}, ["out"]),
        ({15: Paused("covered"), 25: NOTHING}, ["out"]),  # the crossing at 2.0 s was in the pause
        ({5: Paused("covered"), 19: NOTHING}, ["in", "out"]),  # before the line again, then over it
        ({5: Paused(None, {"m": "schedule"})}, ["in", "out"]),
        ({5: Paused("covered"), 62: NOTHING}, []),  # both crossings were in the pause
    ],
)
def test_a_line_forgets_in_a_pause_on_which_side_everybody_was(
    pauses: dict[int, Paused], crossed: list[str]
) -> None:
    there_and_back = walk((0, 0.1, 0.5), (4, 0.9, 0.5), (8, 0.1, 0.5))
    played = paused_at(pauses, [Actor(1, there_and_back)], l=LINE)
    assert [h.direction for h in played.of("line_crossed") if h.zone == "l"] == crossed
    one = played.numbers["l"]
    assert (one.entered, one.exited) == (crossed.count("in"), crossed.count("out"))
    last = pauses[max(pauses)] if pauses else NOTHING
    assert one.paused == last.why("l")


def test_a_line_that_pauses_counts_who_is_over_it_but_not_yet_believed() -> None:
    slow = Actor(1, walk((0, 0.45, 0.5), (4, 0.52, 0.5)), size=(0.2, 0.9))
    played = paused_at({35: Paused("covered")}, [slow], seconds=4.0, l=LINE)
    assert [round(h.occurred_s, 2) for h in played.of("line_crossed")] == [2.86]


def test_definitions_that_change_in_a_pause_are_paused_too() -> None:
    played = paused_at(
        {10: Paused(None, {"z": "schedule", "new": "schedule"})}, [Actor(1, stand(0.5, 0.5))], 2
    )
    wider = dataclasses.replace(ZONE, polygon=square(0.1, 0.9))
    kept = dataclasses.replace(ZONE, schedule="open", name="Till")
    assert played.analytics.redefine({"new": ZONE, "z": wider, "other": kept}, {"l": LINE}) == []
    played.feed(film([Actor(1, stand(0.5, 0.5))], [2.1, 2.2]))
    facts = {name: (one.paused, one.occupancy, one.entered) for name, one in played.numbers.items()}
    assert facts == {
        "new": ("schedule", 0, 0),
        "z": ("schedule", 0, 0),
        "other": (None, 1, 1),  # name and schedule change nothing of what it counts
        "l": (None, 0, 0),
    }


@pytest.mark.parametrize(
    ("paused", "grows"), [(Paused("moved"), False), (Paused("schedule"), True), (NOTHING, True)]
)
def test_the_heatmap_stands_still_while_the_picture_cannot_be_trusted(paused: Paused, grows: bool) -> None:
    played = paused_at({10: paused}, [Actor(1, stand(0.5, 0.5))], seconds=1.0)
    before = played.analytics.heatmap.seconds.sum()
    played.feed(film([Actor(1, stand(0.5, 0.5))], [1.1, 1.2, 1.3]))
    assert (played.analytics.heatmap.seconds.sum() > before) == grows


def test_a_pause_closes_stays_without_a_frame_where_none_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("edge_node.analytics.watch.time.monotonic", lambda: now[0])
    watch = new_watch()
    assert watch.close() is None
    for step in range(5):
        watch.update(seen(10 + 0.1 * step, 50))
    now[0] += IDLE_S
    assert watch.close() is None
    watch.pauses.set("schedule", "schedule")
    now[0] -= IDLE_S / 2
    assert watch.close() is None
    now[0] += IDLE_S
    closed = watch.close()
    assert closed is not None
    assert [(h.type, h.zone, h.occurred_s) for h in closed.report.happenings] == [("zone_lost", "left", 10.4)]
    assert {(one.paused, one.occupancy) for one in closed.report.numbers.values()} == {("schedule", 0)}
    assert watch.close() is None
    watch.pauses.set("schedule", None)
    assert watch.close() is None
    entered = watch.update(seen(15.0, 50))
    assert "zone_lost" not in [h.type for h in entered.report.happenings]
    assert {one.paused for one in entered.report.numbers.values()} == {None}


def test_a_watch_applies_what_pauses_with_its_next_frame() -> None:
    watch = new_watch()
    for step in range(5):
        watch.update(seen(10 + 0.1 * step, 50))
    watch.pauses.set("health", "covered")
    analysed = watch.update(seen(10.5, 50))
    assert [(h.type, h.zone, h.occurred_s) for h in analysed.report.happenings] == [
        ("zone_lost", "left", 10.4)
    ]
    assert {one.paused for one in analysed.report.numbers.values()} == {"covered"}
    watch.pauses.set("health", None)
    analysed = watch.update(seen(10.6, 50))
    assert [(h.type, h.zone) for h in analysed.report.happenings] == [("zone_entered", "left")]
    assert {one.paused for one in analysed.report.numbers.values()} == {None}
