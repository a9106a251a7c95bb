"""A node's retained messages on a real broker: published when they change, cleared when they are gone."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edge_node.analytics.paused import NOTHING, Paused
from edge_node.analytics.watch import Analysed
from edge_node.config.live import LiveStore
from edge_node.config.saved.definitions import Definitions, DefinitionStore
from edge_node.config.settings import EdgeConfig
from edge_node.days.book import DayBook
from edge_node.frames import Frame
from edge_node.pictures import Decoding
from edge_node.publish.compose import Composer
from edge_node.publish.state.again import AGAIN_S
from edge_node.publish.state.camera import COUNT_S, DRAINED_S, IDLE_S, ZONE_REFRESH_S
from edge_node.publish.state.manifest import ORIGIN_REFRESH_S
from edge_node.publish.state.node import NodeState
from shared import limits
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.settings import convert
from shared.wire import messages, topics
from shared.wire.messages import Dwell, ZoneNumbers
from tests.conftest import Mosquitto
from tests.edge_node.outbox.outboxes import event as an_event
from tests.edge_node.publish.analysed import analysed
from tests.edge_node.scenes import CLASSES

ZONE = {"polygon": [[0, 0], [1, 0], [1, 1]]}
MODEL = messages.ModelInfo(name="m", classes=CLASSES, input_width=416, input_height=416, layout="nanodet")
DAY_US = 86_400_000_000
NUMBERS = ZoneNumbers(zone="all", kind="zone", occupancy=1, dwell=Dwell(completed=0, ongoing_max_s=1.0))


def _utc_day(at_us: int) -> int:
    return at_us - at_us % DAY_US


class Said:
    """A node's state on its way to a broker, and what a subscriber sees of it."""

    def __init__(self, broker: Mosquitto, name: str) -> None:
        given = {"node": "box", "cameras": {"street": {"source": "0", "zones": {"all": ZONE, "left": ZONE}}}}
        self.config = convert(EdgeConfig, given | {"mqtt": {"prefix": f"state-{name}/v1"}}, where="test")
        self.now_s, self.marks = 100.0, 0
        self.client = Client(MqttSettings(url=broker.url), name="edge")
        self.reader = Client(MqttSettings(url=broker.url), name="reader")
        self.live = LiveStore(self.config)
        self.newest: Analysed | None = None
        self.paused = NOTHING
        composer = Composer("box", "s", CLASSES)
        known = DefinitionStore(None, self.config.cameras)
        self.days = DayBook({"street": known["street"]}, _utc_day, (), messages.now_us())
        self.state = NodeState(self.client, self.config, composer, lambda: self.now_s, self.days.cameras)

    def announce(self) -> None:
        definitions = DefinitionStore(None, self.config.cameras)
        self.state.announce(
            MODEL,
            "a backend",
            "cpu",
            "bytetrack",
            definitions,
            {"street": ()},
            self.live,
            lambda _: self.paused,
        )
        self.state.online()

    def saw(self, *numbers: ZoneNumbers, objects: int = 2) -> None:
        """Analyse a frame."""
        item = analysed(objects)
        report = dataclasses.replace(item.report, numbers={one.zone: one for one in numbers})
        self.newest = dataclasses.replace(item, report=report)
        self.state.analysed(self.newest)

    def attend(self, later_s: float = 0.0) -> None:
        self.now_s += later_s
        self.state.attend(lambda _: self.newest, self.live, lambda _: self.paused)

    def since(self) -> list[tuple[str, bytes]]:
        """Row and payload of everything said since the last call."""
        self.marks += 1
        mark = f"mark {self.marks}"
        self.state.gone(mark)
        seen: list[tuple[str, bytes]] = []
        while True:
            received = self.reader.received.get(30)
            found = topics.match(self.config.mqtt.prefix, received.topic)
            assert found is not None
            if found[0] is topics.STATUS and f'"{mark}"'.encode() in received.payload:
                return seen
            seen.append((found[0].name, received.payload))


@contextmanager
def saying(broker: Mosquitto, name: str) -> Iterator[Said]:
    said = Said(broker, name)
    with said.client, said.reader:
        assert said.client.wait_connected(30)
        said.reader.subscribe(f"{said.config.mqtt.prefix}/#", 1)
        assert said.reader.wait_subscribed(30)
        said.since()
        yield said


def frame(reader: str = "r") -> Frame:
    return dataclasses.replace(analysed().frame, reader=reader)


def names(said: list[tuple[str, bytes]]) -> list[str]:
    return [name for name, _ in said]


def test_an_announcement_says_who_runs_here_and_what_every_camera_has(broker: Mosquitto) -> None:
    with saying(broker, "announce") as said:
        said.announce()
        seen = said.since()
    about = dict(seen)
    info = messages.decode(messages.NodeInfo, about["info"])
    assert (info.model, info.backend, info.device, info.tracker) == (MODEL, "a backend", "cpu", "bytetrack")
    assert [(camera.camera, camera.zones, camera.lines) for camera in info.cameras] == [("street", 2, 0)]
    assert messages.decode(messages.Zones, about["zones"]).zones.keys() == {"all", "left"}
    live = messages.decode(messages.SettingsState, about["settings"])
    assert vars(said.live["street"]).items() <= vars(live).items()


def test_before_a_node_is_online_nothing_is_left_of_what_an_earlier_run_has_counted(
    broker: Mosquitto,
) -> None:
    with saying(broker, "begin") as said:
        before_us = messages.now_us()
        said.announce()
        seen = said.since()
    order = names(seen)
    assert order[0] == "camera_status"
    assert order[-1] == "status"
    assert order.count("zone") == 2
    zones = [messages.decode(messages.ZoneState, payload) for name, payload in seen if name == "zone"]
    assert {(one.zone, one.occupancy, one.entered) for one in zones} == {("all", 0, 0), ("left", 0, 0)}
    assert not any(one.watched for one in zones)
    assert all(one.started_us is not None and one.started_us >= before_us for one in zones)
    count = messages.decode(messages.CountState, dict(seen)["count"])
    assert (count.total, count.classes) == (0, {})


def test_a_pause_is_said_without_a_frame_where_none_comes(broker: Mosquitto) -> None:
    def zones() -> list[messages.ZoneState]:
        return [
            messages.decode(messages.ZoneState, payload) for name, payload in said.since() if name == "zone"
        ]

    with saying(broker, "pause") as said:
        said.paused = Paused(None, {"left": "schedule"})
        said.announce()
        assert [(one.zone, one.paused) for one in zones()] == [("all", None), ("left", "schedule")]
        said.attend()
        assert zones() == []
        said.paused = Paused(None, {"all": "schedule"})
        said.attend()
        assert [(one.zone, one.paused, one.watched) for one in zones()] == [
            ("all", "schedule", False),
            ("left", None, False),
        ]
        said.saw(dataclasses.replace(NUMBERS, entered=7))
        said.attend(IDLE_S / 2)  # analytics says it with the next frame
        assert [(one.paused, one.occupancy, one.watched) for one in zones()] == [(None, 1, True)]
        said.attend(IDLE_S)
        [paused] = zones()
        assert (paused.paused, paused.occupancy, paused.entered, paused.watched) == ("schedule", 0, 7, False)
        said.attend(IDLE_S)
        said.paused = NOTHING
        said.attend(IDLE_S)
        assert [(one.paused, one.occupancy, one.entered) for one in zones()] == [(None, 0, 7)]
        said.saw(dataclasses.replace(NUMBERS, entered=7, occupancy=0))
        said.attend(IDLE_S)
        assert [(one.paused, one.watched) for one in zones()] == [(None, True)]


def test_the_counters_of_the_day_are_said_with_every_zone_and_begin_anew_also_without_a_frame(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    def days() -> list[tuple[str, int, int]]:
        states = [messages.decode(messages.ZoneState, one) for name, one in said.since() if name == "zone"]
        return [(one.zone, one.day.since_us, one.day.entered) for one in states if one.day is not None]

    with saying(broker, "days") as said:
        street, now = said.days.cameras["street"], messages.now_us()
        came = dataclasses.replace(an_event(), type="zone_entered", zone="all", occurred_us=now)
        before = street.of("all")
        assert before is not None
        since, tomorrow = before.since_us, _utc_day(now) + DAY_US
        street.count([came], now)
        said.announce()
        assert days() == [("all", since, 1), ("left", since, 0)]  # as an earlier run has left it
        said.saw(NUMBERS)
        assert days() == [("all", since, 1)]
        said.saw(NUMBERS)
        assert days() == []
        street.count([came], now)
        said.attend(IDLE_S)
        said.attend(IDLE_S)
        assert days() == [], "what a frame has counted comes with its numbers"
        said.saw(NUMBERS)
        assert days() == [("all", since, 2)]
        monkeypatch.setattr("edge_node.publish.state.camera.now_us", lambda: tomorrow + 1)
        said.attend()
        said.attend(IDLE_S / 2)
        assert days() == []
        said.attend(IDLE_S)
        assert days() == [("all", tomorrow, 0), ("left", tomorrow, 0)]
        said.attend(IDLE_S)
        assert days() == []


def test_a_camera_streams_only_behind_the_numbers_of_a_frame(broker: Mosquitto) -> None:
    with saying(broker, "streams") as said:
        said.announce()
        said.since()
        said.state.camera_status("street", "streaming")
        said.attend(COUNT_S)
        assert said.since() == [], "no frame is analysed yet"
        said.saw(NUMBERS)
        assert names(said.since()) == ["zone", "count", "camera_status"]
        said.saw(NUMBERS)
        assert said.since() == []
        said.state.camera_status("street", "reconnecting", "gone")
        said.saw(NUMBERS)
        assert names(said.since()) == ["camera_status"], "a frame from before does not bring it back"
        said.state.camera_status("street", "streaming")
        said.state.camera_status("street", "paused")
        said.saw(NUMBERS)
        assert [b'"paused"' in payload for _, payload in said.since()] == [True]


def test_a_count_is_said_once_a_second_where_it_has_changed_and_the_last_is_never_lost(
    broker: Mosquitto,
) -> None:
    def counts() -> list[tuple[int, dict[str, int]]]:
        seen = [messages.decode(messages.CountState, body) for name, body in said.since() if name == "count"]
        return [(one.total, one.classes) for one in seen]

    with saying(broker, "count") as said:
        said.announce()
        said.state.camera_status("street", "streaming")
        said.saw(objects=2)
        assert counts() == [(0, {}), (2, {CLASSES[0]: 2})]
        for objects in (3, 1, 4):
            said.saw(objects=objects)
            said.attend(COUNT_S / 4)
        assert counts() == [], "within a second nothing is said"
        said.attend(COUNT_S / 4)
        assert counts() == [(4, {CLASSES[0]: 4})], "and then the newest"
        said.saw(objects=4)
        said.attend(COUNT_S)
        assert counts() == [], "the same is no news"
        said.saw(objects=0)
        said.attend()
        assert counts() == [(0, {CLASSES[0]: 0})], "a class that was seen stays"


def test_of_a_camera_off_schedule_nobody_is_counted_until_it_gives_frames_again(broker: Mosquitto) -> None:
    def counts() -> list[int]:
        return [
            messages.decode(messages.CountState, body).total for name, body in said.since() if name == "count"
        ]

    with saying(broker, "rest") as said:
        said.announce()
        said.state.camera_status("street", "streaming")
        said.saw(objects=2)
        assert counts() == [0, 2]
        said.paused = Paused("covered")
        said.attend(IDLE_S)
        assert counts() == [], "the camera still looks"
        said.paused = Paused("schedule")
        said.attend(IDLE_S)
        said.attend(IDLE_S)
        assert counts() == [0]
        said.paused = NOTHING
        said.attend(IDLE_S)
        said.saw(objects=2)
        said.attend(IDLE_S)
        assert counts() == [2]


def test_live_settings_are_said_when_anybody_has_changed_them(broker: Mosquitto) -> None:
    with saying(broker, "live") as said:
        said.announce()
        said.since()
        said.attend()
        assert said.since() == []
        said.live.change("street", paused=True, confidence=0.7)
        said.attend()
        ((name, payload),) = said.since()
    live = messages.decode(messages.SettingsState, payload)
    assert (name, live.paused, live.confidence) == ("settings", True, 0.7)


def test_what_a_camera_has_said_is_said_again_once_a_minute_a_little_at_a_time(broker: Mosquitto) -> None:
    with saying(broker, "again") as said:
        said.announce()
        said.state.camera_status("street", "streaming")
        said.saw(NUMBERS)
        first = said.since()
        said.attend(AGAIN_S)
        assert said.since() == []
        halves = []
        for _ in range(2):
            said.attend(AGAIN_S / 2)
            halves.append(said.since())
        assert [len(half) for half in halves] == [3, 3]
        said_again = [one for one in halves[0] + halves[1] if one[0] != "status"]
        assert len(said_again) == 5
        assert set(said_again) <= set(first), "the same, to the letter"
        said.state.camera_status("street", "ended")
        said.since()
        said.attend(AGAIN_S)
        said.since()
        said.attend(AGAIN_S)
        again = sorted(names(said.since()))
        assert again == ["camera_status", "settings", "status"], "its numbers are no longer of now"


def test_of_a_camera_that_has_ended_nobody_is_left_inside(broker: Mosquitto) -> None:
    with saying(broker, "ended") as said:
        said.announce()
        said.state.camera_status("street", "streaming")
        said.saw(
            dataclasses.replace(NUMBERS, entered=3, exited=1, loitering=1, loitering_ids=(7,), crowded=True)
        )
        said.attend()
        said.state.camera_status("street", "ended")
        said.since()
        said.attend(DRAINED_S / 2)
        assert said.since() == [], "frames may still be on their way"
        said.attend(DRAINED_S)
        said.attend(DRAINED_S)
        seen = said.since()
    assert names(seen) == ["zone", "count"]
    zone = messages.decode(messages.ZoneState, seen[0][1])
    assert (zone.occupancy, zone.loitering, zone.loitering_ids, zone.crowded) == (0, 0, (), False)
    assert zone.dwell.ongoing_max_s == 0
    assert (zone.entered, zone.exited) == (3, 1), "what was counted stays"
    assert messages.decode(messages.CountState, seen[1][1]).total == 0


def test_a_film_that_is_over_before_its_first_frame_is_analysed_leaves_nobody_inside(
    broker: Mosquitto,
) -> None:
    with saying(broker, "short") as said:
        said.announce()
        for status in ("streaming", "ended"):
            said.state.camera_status("street", status)
        said.saw(NUMBERS)
        said.attend()
        said.since()
        said.attend(DRAINED_S)
        seen = said.since()
    assert names(seen) == ["zone", "count"]
    assert messages.decode(messages.ZoneState, seen[0][1]).occupancy == 0


def test_a_farewell_leaves_nobody_inside_and_comes_before_the_end(broker: Mosquitto) -> None:
    with saying(broker, "farewell") as said:
        said.announce()
        said.state.camera_status("street", "streaming")
        said.saw(NUMBERS)
        said.since()
        said.state.end("street", said.newest)
        seen = said.since()
    assert names(seen) == ["zone", "count", "camera_status"]
    zone = messages.decode(messages.ZoneState, seen[0][1])
    assert (zone.occupancy, zone.watched) == (0, False), "not because anybody was seen to leave"
    assert b'"ended"' in seen[2][1]


def test_counters_say_since_when_they_count(broker: Mosquitto) -> None:
    def started() -> dict[str, int | None]:
        zones = [messages.decode(messages.ZoneState, body) for name, body in said.since() if name == "zone"]
        return {one.zone: one.started_us for one in zones}

    with saying(broker, "started") as said:
        said.announce()
        first = started()
        other = {**ZONE, "queue": True}
        zones = {"all": {**ZONE, "name": "Hof"}, "left": other}
        given = {"node": "box", "cameras": {"street": {"source": "0", "zones": zones}}}
        changed = convert(EdgeConfig, given, where="test")
        said.state.define("street", Definitions(version=2, zones=changed.cameras["street"].zones, lines={}))
        said.saw(NUMBERS, dataclasses.replace(NUMBERS, zone="left"))
        now = started()
    assert now["all"] == first["all"], "a zone that stays counts on, whatever people call it"
    assert (now["left"] or 0) > (first["left"] or 0), "a changed one counts from zero"


def test_an_engine_that_takes_over_is_said_once(broker: Mosquitto) -> None:
    with saying(broker, "engine") as said:
        said.state.manifest.runs_with(MODEL, "another", "cpu")
        assert said.since() == [], "the node has not announced itself yet"
        said.announce()
        said.since()
        for backend in ("a backend", "tensorrt 10.3", "tensorrt 10.3"):
            device = "a GPU" if backend.startswith("tensorrt") else "cpu"
            said.state.manifest.runs_with(MODEL, backend, device)
        ((name, payload),) = said.since()
    info = messages.decode(messages.NodeInfo, payload)
    assert (name, info.backend, info.device) == ("info", "tensorrt 10.3", "a GPU")


def test_a_new_name_for_people_is_said_once(broker: Mosquitto) -> None:
    with saying(broker, "names") as said:
        said.announce()
        said.since()
        street = dataclasses.replace(said.config.cameras["street"], name="Die Straße")
        renamed = dataclasses.replace(said.config, node_name="Laden", cameras={"street": street})
        said.state.manifest.rename(renamed)
        said.state.manifest.rename(renamed)
        [(row, payload)] = said.since()
        info = messages.decode(messages.NodeInfo, payload)
        assert (row, info.name, info.cameras[0].name) == ("info", "Laden", "Die Straße")


def test_a_cameras_status_is_said_once_until_it_changes(broker: Mosquitto) -> None:
    with saying(broker, "camera") as said:
        for status in ("streaming", "streaming", "paused", "paused", "streaming"):
            said.state.camera_status("street", status)
            said.saw()
        said.state.camera_status("street", "reconnecting", "rtsp://me:pw@cam/1 " + "x" * 600)
        seen = [
            messages.decode(messages.CameraStatus, payload)
            for name, payload in said.since()
            if name == "camera_status"
        ]
    assert [one.status for one in seen] == ["streaming", "paused", "streaming", "reconnecting"]
    shown = "rtsp://cam/1 "
    assert seen[-1].reason == shown + "x" * (511 - len(shown)) + "…"


def test_two_statuses_of_a_camera_leave_in_the_order_in_which_they_were_taken(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    with saying(broker, "order") as said:
        set_state, others = said.client.set_state, list[threading.Thread]()

        def held_up(topic: topics.Topic, path: str, payload: bytes) -> object:
            if not others:  # while the first is on its way, another thread says the second
                others.append(threading.Thread(target=said.state.camera_status, args=("street", "paused")))
                others[0].start()
                others[0].join(0.1)
            return set_state(topic, path, payload)

        monkeypatch.setattr(said.client, "set_state", held_up)
        said.state.camera_status("street", "reconnecting")
        others[0].join(30)
        seen = [messages.decode(messages.CameraStatus, payload).status for _, payload in said.since()]
    assert seen[-1] == "paused", "which is what the node believes"


def test_numbers_are_said_when_they_change_and_durations_once_a_second(broker: Mosquitto) -> None:
    longer = dataclasses.replace(NUMBERS, dwell=Dwell(completed=0, ongoing_max_s=2.0))
    with saying(broker, "numbers") as said:
        said.saw(NUMBERS)
        said.saw(NUMBERS)
        assert names(said.since()) == ["zone"]
        said.now_s += ZONE_REFRESH_S / 2
        said.saw(longer)
        assert names(said.since()) == [], "only time has passed"
        said.saw(dataclasses.replace(longer, occupancy=2))
        assert names(said.since()) == ["zone"], "a person more is news at once"
        said.now_s += ZONE_REFRESH_S
        said.saw(dataclasses.replace(NUMBERS, occupancy=2))
        assert names(said.since()) == ["zone"]


def test_a_zone_that_is_gone_has_its_numbers_cleared(broker: Mosquitto) -> None:
    with saying(broker, "gone") as said:
        said.announce()
        said.saw(*(dataclasses.replace(NUMBERS, zone=name) for name in ("all", "left")))
        said.since()
        zones = said.config.cameras["street"].zones
        said.state.define("street", Definitions(version=2, zones={"all": zones["all"]}, lines={}))
        seen = said.since()
        assert names(seen) == ["zones", "info", "zone"]
        assert seen[-1][1] == b"", "an empty retained message deletes what the broker kept"
        said.state.define("street", Definitions(version=3, zones={"all": zones["all"]}, lines={}))
        assert names(said.since()) == ["zones"], "as many as before are no other manifest"


def test_another_clock_or_reader_is_another_manifest_at_most_once_a_second(broker: Mosquitto) -> None:
    with saying(broker, "origin") as said:
        said.state.manifest.origin(frame("early"))
        assert names(said.since()) == [], "the node has not announced itself yet"
        said.announce()
        said.since()
        said.now_s += ORIGIN_REFRESH_S
        for reader in ("a", "a", "b"):
            said.state.manifest.origin(frame(reader))
        seen = said.since()
        assert names(seen) == ["info"]
        about = messages.decode(messages.NodeInfo, seen[0][1]).cameras[0]
        assert (about.reader, about.decoder, about.decoder_reason) == ("a", "cpu", None)
        said.now_s += ORIGIN_REFRESH_S
        said.state.manifest.origin(dataclasses.replace(frame("b"), decoding=Decoding("cpu", "x" * 2000)))
        seen = said.since()
        assert names(seen) == ["info"]
        why = messages.decode(messages.NodeInfo, seen[0][1]).cameras[0].decoder_reason
        assert why == limits.clipped("x" * 2000)


def test_a_node_that_leaves_its_name_to_another_takes_its_state_back(broker: Mosquitto) -> None:
    with saying(broker, "withdraw") as said:
        said.announce()
        said.since()
        said.state.withdraw()
        seen: list[tuple[str, bytes]] = []
        while not (seen and seen[-1][0] == "status" and b'"offline"' in seen[-1][1]):
            received = said.reader.received.get(30)
            seen.append((received.topic.rpartition("/")[2], received.payload))
    assert {name for name, payload in seen if not payload} >= {"info", "zones"}


def test_trouble_that_is_said_too_late_does_not_bring_a_node_back_online(broker: Mosquitto) -> None:
    with saying(broker, "trouble") as said:
        said.announce()
        said.state.trouble("infer has stood still")
        statuses = [payload for name, payload in said.since() if name == "status"]
        assert [messages.decode(messages.NodeStatus, one).reason for one in statuses] == [
            None,
            "infer has stood still",
        ]
        said.state.trouble(None)
        assert said.since() == []


def test_what_is_wrong_with_one_part_stays_said_while_another_is_well_again(broker: Mosquitto) -> None:
    with saying(broker, "troubles") as said:
        said.announce()
        said.since()
        said.state.online()
        said.state.trouble("a stage is late")
        said.state.trouble("the file is damaged", "model")
        said.state.trouble(None)
        said.state.trouble(None, "model")
        reasons = [messages.decode(messages.NodeStatus, body).reason for name, body in said.since()]
    assert reasons[-4:] == [
        "a stage is late", "a stage is late; the file is damaged", "the file is damaged", None,
    ]  # fmt: skip
