from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_node.calendar.keeper import Keeper, Now
from edge_node.calendar.mode_file import ModeFile
from edge_node.calendar.store import CalendarStore
from shared.errors import ConfigError, ConflictError, MessageError
from shared.wire.messages import CalendarDefinition
from tests.shared.schedules.calendars import calendar, shown, us

HOUR = 3600_000_000
SHOP = {
    "timezone": "UTC",
    "modes": {"open": {}, "closed": {"during": "night"}, "alarm": {}},
    "schedules": {
        "night": {"spans": [{"start": "22:00", "end": "06:00"}]},
        "watch": {"modes": ["closed", "alarm"]},
    },
}


class Node:
    """The keeper of a node that may be started again, and a clock that somebody sets."""

    def __init__(self, folder: Path, configured: dict[str, Any], at: str = "2027-05-05T12:00") -> None:
        self.folder, self.configured, self.at = folder, calendar(**configured), us(at)
        self.told: list[Now] = []
        self.start()

    def start(self, configured: dict[str, Any] | None = None) -> None:
        """Start it, as after kill -9: nothing is written when it ends."""
        if configured is not None:
            self.configured = calendar(**configured)
        self.store = CalendarStore(self.folder / "calendar.json", self.configured)
        self.keeper = Keeper(self.store, ModeFile(self.folder / "mode.json"), clock=lambda: self.at)
        self.keeper.listen(self.told.append)

    def goes_to(self, at: str) -> Now:
        self.at = us(at)
        self.keeper.tick()
        return self.keeper.now

    def said(self) -> tuple[str | None, str | None, str | None, str | None]:
        """The mode and since when, and the next one and from when."""
        now = self.keeper.now
        return now.mode, shown(now.since_us), now.next_mode, shown(now.next_change_us)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path, SHOP)


def test_a_mode_holds_during_its_schedule_and_the_first_one_otherwise(node: Node) -> None:
    assert node.said() == ("open", "2027-05-05T12:00", "closed", "2027-05-05T22:00")
    assert not node.keeper.now.active("watch")
    node.goes_to("2027-05-05T22:00")
    assert node.said() == ("closed", "2027-05-05T22:00", "open", "2027-05-06T06:00")
    assert node.keeper.now.active("watch") and node.keeper.now.active("night")
    node.goes_to("2027-05-06T06:00")
    assert node.said()[:2] == ("open", "2027-05-06T06:00")


@pytest.mark.parametrize(
    ("until", "steps", "why"),
    [
        (
            None,
            [("2027-05-05T21:59", "alarm"), ("2027-05-05T22:00", "closed"), ("2027-05-06T06:00", "open")],
            "it holds until the schedules bring another one",
        ),
        (
            "2027-05-05T13:30",
            [("2027-05-05T13:29", "alarm"), ("2027-05-05T13:30", "open"), ("2027-05-05T22:00", "closed")],
            "it ends by itself",
        ),
        (
            "2027-05-05T23:00",
            [("2027-05-05T22:00", "closed"), ("2027-05-05T23:00", "closed")],
            "a schedule that begins ends it, too",
        ),
    ],
)
@pytest.mark.parametrize("restarts", [False, True])
def test_a_mode_that_is_set_by_hand_ends(
    node: Node, until: str | None, steps: list[tuple[str, str]], why: str, restarts: bool
) -> None:
    now = node.keeper.set_mode("alarm", us(until) if until else None)
    assert now.mode == "alarm" and now.by_hand and now.since_us == node.at
    assert now.next_change_us == us(min(until or "9", "2027-05-05T22:00"))
    for at, mode in steps:
        if restarts:
            node.at = us(at)
            node.start()
        assert node.goes_to(at).mode == mode, why
        assert node.keeper.now.by_hand is (mode == "alarm")


def test_a_mode_without_schedules_holds_for_good_also_after_a_restart(tmp_path: Path) -> None:
    node = Node(tmp_path, {"modes": {"home": {}, "away": {}}})
    node.keeper.set_mode("away", None)
    node.at = us("2029-05-05T12:00")
    node.start()
    assert node.said() == ("away", "2027-05-05T12:00", None, None)


def test_a_clock_that_is_set_is_followed_in_both_directions(node: Node) -> None:
    assert node.goes_to("2027-05-05T23:00").mode == "closed"
    for at in ("2027-05-05T20:00", "2027-05-05T15:00"):
        assert node.goes_to(at).mode == "open"
        assert node.keeper.now.since_us <= node.at, "a mode does not begin in the future"
    told = len(node.told)
    node.keeper.tick()
    assert len(node.told) == told, "nothing has changed"


def test_a_mode_that_is_set_by_hand_while_the_clock_is_ahead_ends_no_later(node: Node) -> None:
    node.goes_to("2027-05-09T12:00")
    node.keeper.set_mode("alarm", None)
    for at, mode in (
        ("05T12:01", "alarm"),
        ("05T21:59", "alarm"),
        ("05T22:00", "closed"),
        ("06T06:00", "open"),
    ):
        assert node.goes_to(f"2027-05-{at}").mode == mode


def test_a_mode_that_is_set_by_hand_outlasts_a_start_with_a_clock_that_is_behind(node: Node) -> None:
    node.keeper.set_mode("alarm", None)
    node.at = us("2027-05-02T21:00")
    node.start()
    for at, mode in (("02T21:01", "alarm"), ("05T21:59", "alarm"), ("05T22:00", "closed")):
        assert node.goes_to(f"2027-05-{at}").mode == mode


def test_a_mode_that_does_not_exist_or_is_over_is_refused(node: Node) -> None:
    with pytest.raises(MessageError, match="no mode 'party'; this node has open, closed, alarm"):
        node.keeper.set_mode("party", None)
    with pytest.raises(MessageError, match="this moment is over"):
        node.keeper.set_mode("alarm", node.at)
    assert node.said()[0] == "open"


def test_a_mode_that_a_new_calendar_lacks_is_over(node: Node) -> None:
    node.keeper.set_mode("alarm", None)
    now = node.keeper.save(calendar(modes={"open": {}}), 1)
    assert (now.mode, now.by_hand, now.next_mode) == ("open", False, None)
    assert node.keeper.save(CalendarDefinition(), 2).mode is None


def test_versions_conflict_and_survive_and_the_configuration_wins_when_it_changes(tmp_path: Path) -> None:
    node = Node(tmp_path, {})
    assert node.keeper.now.version == 0
    saved = calendar(timezone="Asia/Tokyo", schedules={"s": {}})
    assert node.keeper.save(saved, 0).version == 1
    with pytest.raises(ConflictError, match="the current version is 1, not 0"):
        node.keeper.save(CalendarDefinition(), 0)
    with pytest.raises(ConfigError, match="no time zone"):
        node.keeper.save(calendar(timezone="Moon/Base"), 1)
    node.start()
    assert (node.keeper.now.version, node.keeper.now.calendar.timezone) == (1, "Asia/Tokyo")
    node.keeper.configure(node.configured)  # a reload in which nothing has changed
    assert node.keeper.now.version == 1
    node.keeper.configure(calendar(**SHOP))
    assert (node.keeper.now.version, node.keeper.now.mode) == (2, "open")
    node.start(SHOP)
    assert node.keeper.now.version == 2, "as saved when the configuration changed"
    node.start({"timezone": "UTC"})
    assert (node.keeper.now.version, node.keeper.now.calendar.timezone) == (3, "UTC")


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"version": 3, "calendar": {"timezone": "Moon/Base"}}', b"[1]"]
)
def test_files_that_cannot_be_read_are_set_aside(tmp_path: Path, content: bytes) -> None:
    for name in ("calendar.json", "mode.json"):
        (tmp_path / name).write_bytes(content)
    node = Node(tmp_path, SHOP)
    assert node.keeper.now.version == 1 and node.said()[0] == "open"
    assert (tmp_path / "calendar.damaged").read_bytes() == content


def test_changes_are_told_at_their_moment_and_not_between(node: Node) -> None:
    node.told.clear()
    for minute in range(0, 24 * 60, 10):
        node.at = us("2027-05-05T12:00") + minute * 60_000_000
        node.keeper.tick()
    assert [one.mode for one in node.told] == ["closed", "open"]
