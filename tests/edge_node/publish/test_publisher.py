"""What the publisher makes of analysed frames; the connection's side of it is in `tests/integration`."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from edge_node.analytics.happenings import Happening
from edge_node.analytics.watch import Analysed
from edge_node.config.live import LiveStore
from edge_node.config.settings import EdgeConfig
from edge_node.machine.vitals import Throughput, Vitals
from edge_node.outbox.outbox import Outbox
from edge_node.publish import publisher as publisher_module
from edge_node.publish import sending
from edge_node.publish.compose import Composer
from edge_node.publish.publisher import Publisher
from edge_node.publish.snapshot_sender import SnapshotSender
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.settings import convert
from shared.wire.messages import Interest, ZoneNumbers, encode
from shared.wire.picture_names import properties as named
from shared.wire.picture_names import read_name
from tests.conftest import Mosquitto, free_port, wait_until
from tests.edge_node.publish.analysed import analysed
from tests.edge_node.scenes import CLASSES

TIMES_S = [index / 10 for index in range(20)]


class Parts(NamedTuple):
    publisher: Publisher
    live: LiveStore
    config: EdgeConfig
    snapshots: SnapshotSender
    also: list[Analysed]
    client: Client
    outbox: Outbox


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    """A publisher whose broker is away, of a camera with 5 thumbnails a second."""
    yield from made(tmp_path, f"mqtt://127.0.0.1:{free_port()}")


def made(tmp_path: Path, url: str, **camera: str) -> Iterator[Parts]:
    config = convert(
        EdgeConfig,
        {
            "node": "box",
            "mqtt": {"url": url},
            "outbox": {"path": str(tmp_path / "outbox.db")},
            "cameras": {"street": {"source": "0", "thumbnail": {"fps": 5, "width": 320}} | camera},
        },
        where="test",
    )
    client, also = Client(config.mqtt, name="edge"), list[Analysed]()
    outbox = Outbox(client, config.outbox, config.node, config.mqtt.prefix, "s")
    live, snapshots = LiveStore(config), SnapshotSender(client)
    composer = Composer("box", "s", CLASSES)
    with outbox:
        publisher = Publisher(client, outbox, snapshots, config, live, composer, also.append)
        yield Parts(publisher, live, config, snapshots, also, client, outbox)


def kinds(publisher: Publisher, item: Analysed) -> list[str]:
    """What one frame puts into the channel."""
    publisher.publish_all([item])
    for _ in range(len(publisher.thumbnails.waiting)):
        publisher.encode_next()
    waiting = len(publisher.outgoing)
    return sorted(publisher.outgoing.get().topic.name for _ in range(waiting))


def at(now_s: float, **more: Any) -> Analysed:
    return dataclasses.replace(analysed(seq=round(now_s * 10)), now_s=now_s, **more)


def counted(publisher: Publisher, kind: str) -> int:
    return sum(kinds(publisher, at(now_s)).count(kind) for now_s in TIMES_S)


def test_every_frame_is_a_detections_message_and_some_are_thumbnails(parts: Parts) -> None:
    assert kinds(parts.publisher, at(0.0)) == ["detections", "thumbnail"]
    assert kinds(parts.publisher, at(0.1)) == ["detections"]
    newest = parts.publisher.newest("street")
    assert newest is not None
    assert newest.now_s == 0.1
    assert parts.also == [parts.also[0], newest], "whoever listens gets every frame"


@pytest.mark.parametrize(("fps", "expected"), [(5.0, 10), (2.0, 4), (0.0, 0), (60.0, 20)])
def test_the_live_settings_alone_say_how_many_thumbnails_there_are(
    parts: Parts, fps: float, expected: int
) -> None:
    kinds(parts.publisher, at(0.0))
    parts.live.change("street", thumbnail_fps=fps)
    assert abs(counted(parts.publisher, "thumbnail") - expected) <= 1


def test_thumbnails_on_demand_are_made_from_the_first_frame_that_somebody_looks_at(parts: Parts) -> None:
    def say(*cameras: str) -> None:
        said = Interest(node="box", session="s", published_us=1, viewer="v", cameras=cameras, holds_s=60)
        parts.publisher.interests.handle(Received("darner/v1/box/interest/v", encode(said), 1, False, {}))

    street = parts.config.cameras["street"]
    on_demand = dataclasses.replace(street.thumbnail, on_demand=True)
    cameras = {"street": dataclasses.replace(street, thumbnail=on_demand)}
    say()
    assert kinds(parts.publisher, at(0.0)) == ["detections", "thumbnail"], "it is not asked for"
    parts.publisher.serve(dataclasses.replace(parts.config, cameras=cameras))
    parts.live.change("street", thumbnail_fps=1.0)
    say()
    assert counted(parts.publisher, "thumbnail") == 0
    assert parts.publisher.thumbnails.unwatched["street"] == 3, "at 0.0, 0.8 and 1.8 s"
    say("street")
    assert kinds(parts.publisher, at(2.1)) == ["detections", "thumbnail"]
    assert kinds(parts.publisher, at(2.2)) == ["detections"]


def test_a_rate_of_detections_holds_from_the_next_frame_on_and_can_be_taken_back(parts: Parts) -> None:
    street = parts.config.cameras["street"]
    assert counted(parts.publisher, "detections") == 20
    parts.publisher.reconfigure("street", dataclasses.replace(street, detections_fps=5.0))
    assert abs(counted(parts.publisher, "detections") - 10) <= 1
    parts.publisher.reconfigure("street", street)
    assert counted(parts.publisher, "detections") == 20


def test_a_jpeg_names_the_frame_that_it_shows(parts: Parts) -> None:
    parts.publisher.publish_all([at(0.7)])
    parts.publisher.encode_next()
    items = {(item := parts.publisher.outgoing.get()).topic.name: item for _ in range(2)}
    properties = items["thumbnail"].user_properties
    assert properties is not None
    assert {key: properties[key] for key in ("session", "seq", "width", "height")} == {
        "session": "s",
        "seq": "7",
        "width": "320",
        "height": "180",
    }
    content = items["thumbnail"].content
    assert isinstance(content, bytes)
    name = read_name(content)
    assert name is not None
    assert named(name) == properties, "so that it is not lost with them"


def test_an_event_refers_to_the_best_view_of_its_track_which_is_sent_once(parts: Parts) -> None:
    def exited(track_id: int | None, kind: Any = "zone_exited") -> Analysed:
        item = at(1.0)
        happening = Happening(type=kind, occurred_s=1.0, track_id=track_id, class_id=0)
        return dataclasses.replace(item, report=dataclasses.replace(item.report, happenings=[happening]))

    parts.publisher.publish_all([exited(0, "track_started")])
    assert parts.snapshots.metrics().waiting == 0, "the first view is seldom the best"
    parts.publisher.publish_all([exited(None, "crowd_started")])
    assert parts.snapshots.metrics().waiting == 0
    for _ in range(2):
        parts.publisher.publish_all([exited(0)])
    assert parts.snapshots.metrics().waiting == 1
    street = parts.config.cameras["street"]
    off = dataclasses.replace(street, snapshot=dataclasses.replace(street.snapshot, enabled=False))
    parts.publisher.reconfigure("street", off)
    parts.publisher.publish_all([exited(1)])
    assert parts.snapshots.metrics().waiting == 1, "none is taken where snapshots are off"


@pytest.mark.timing
def test_what_is_certain_only_at_the_end_is_published_without_another_frame(parts: Parts) -> None:
    item = at(0.0)
    crossed = Happening(
        type="line_crossed", occurred_s=0.0, track_id=1, class_id=0, zone="gate", direction="in"
    )
    gate = ZoneNumbers(zone="gate", kind="line", entered=1)
    report = dataclasses.replace(item.report, happenings=[crossed], numbers={"gate": gate})
    parts.publisher.conclude(dataclasses.replace(item, report=report))
    assert len(parts.publisher.outgoing) == 0
    wait_until(lambda: parts.outbox.metrics().backlog == 1)
    newest = parts.publisher.newest("street")
    assert newest is not None
    assert newest.report.numbers == {"gate": gate}, "what the farewell publishes"


def test_a_broker_that_is_away_holds_the_farewell_up_for_a_moment_only(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "FAREWELL_S", 60.0)  # for a broker that is there and slow
    image = np.zeros((4, 4, 3), np.uint8)
    item = at(1.0)
    parts.publisher.publish_all(
        [dataclasses.replace(item, frame=dataclasses.replace(item.frame, picture=image))]
    )
    began = time.monotonic()
    parts.publisher.farewell()
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("off_s", [3600, -3600])
def test_a_latency_is_not_what_the_host_s_clock_was_set_by(
    broker: Mosquitto, tmp_path: Path, off_s: int
) -> None:
    for parts in made(tmp_path, broker.url):
        client = parts.client
        with client:
            wait_until(lambda: client.connected)  # noqa: B023 - used inside its turn
            item = at(0.0)
            captured_ns = item.frame.captured_ns + off_s * 10**9
            frame = dataclasses.replace(item.frame, captured_ns=captured_ns)
            parts.publisher.publish_all([dataclasses.replace(item, frame=frame)])
            parts.publisher.outgoing.close()
            parts.publisher.send()
        latency = parts.publisher.stopwatch.report()["capture_to_publish"]
        assert 0 < latency.p99 < 5000


def test_frames_that_are_published_together_have_a_message_each(parts: Parts) -> None:
    parts.publisher.publish_all([at(0.0), at(0.1)])
    assert [item.now_s for item in parts.also] == [0.0, 0.1]
    assert len(parts.publisher.outgoing) == 1
    assert parts.publisher.outgoing.dropped == {"detections street": 1}, "the newest of a camera"
    assert parts.publisher.stopwatch.report()["message"].count == 2


def test_no_frame_waits_for_a_thumbnail(parts: Parts) -> None:
    publisher = parts.publisher
    publisher.publish_all([at(0.0)])
    assert publisher.outgoing.get().topic.name == "detections", "sent before the thumbnail is encoded"
    publisher.publish_all([at(1.0)])
    publisher.publish_all([at(2.0)])
    assert [frame.seq for frame in publisher.thumbnails.waiting.take(9)] == [20], "the newest of a camera"
    done = Throughput(cameras={}, stages={}, batches={})
    now = Vitals(cpu_percent=0.0, memory_mb=0.0, gpus=(), temperatures_c={}, throttled=())
    assert publisher.metrics(1.0, done, now).publish_dropped["thumbnail"] == 2


def test_messages_of_a_film_gather_while_the_sender_rests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rested, sleep = threading.Event(), time.sleep

    def rest(seconds: float) -> None:
        if seconds == sending.GATHER_S:
            rested.wait(60)
        else:
            sleep(seconds)

    monkeypatch.setattr(time, "sleep", rest)
    for parts in made(tmp_path, f"mqtt://127.0.0.1:{free_port()}", source="film.mp4", pace="fast"):
        publisher, writes, together = parts.publisher, list[int](), parts.client.together

        def counted_together() -> AbstractContextManager[None]:
            writes.append(publisher.outgoing.taken)  # noqa: B023 - used inside its turn
            return together()  # noqa: B023 - used inside its turn

        vars(parts.client)["together"] = counted_together
        sender = threading.Thread(target=publisher.send)
        sender.start()
        for seq in range(3):
            publisher.publish_all([at(seq / 10)])
            wait_until(lambda: bool(writes))  # noqa: B023 - used inside its turn
        rested.set()
        publisher.outgoing.close()
        sender.join(30)
        assert publisher.outgoing.taken == 3
        assert len(writes) == 2, "the first at once, and the others together"


def test_the_sender_ends_when_the_last_thumbnail_is_encoded(parts: Parts) -> None:
    publisher = parts.publisher
    publisher.publish_all([at(0.0)])
    publisher.thumbnails.waiting.close()
    publisher.encode()
    assert sorted(item.topic.name for item in publisher.outgoing) == ["detections", "thumbnail"]
