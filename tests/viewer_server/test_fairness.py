"""Whatever one node sends, in whatever order, another node loses nothing.

Real history, state, pictures and SQLite, with quotas scaled down so that a hundred messages go over all.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import random
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import MessageError
from shared.mqtt.received import Received
from shared.wire import topics
from shared.wire.messages import Event, Zones, ZoneState, decode, now_us
from tests.viewer_server import wire
from tests.viewer_server.fake_edge import picture_of
from viewer_server.config import HistorySettings, QuotaSettings
from viewer_server.live.hub import Hub
from viewer_server.live.state import State
from viewer_server.mqtt.inbox import Inbox
from viewer_server.quotas import Quotas
from viewer_server.stored import feed, series
from viewer_server.stored.feed import Filter
from viewer_server.stored.history import History
from viewer_server.stored.reading import Database
from viewer_server.stored.snapshots import SnapshotStore
from viewer_server.stored.versions import Versions

SMALL = QuotaSettings(
    nodes=3, cameras=5, states=16, states_total=30, live_mb=1, pictures_mb=4, boots=3, places=8, sessions=8
)
MINUTE = 60_000_000

names = st.sampled_from(["a", "b", "c", "d", "e"]) | st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
moments = st.sampled_from([0, 1, 2**53 - 1]) | st.integers(0, 2**53 - 1) | st.integers(-(10**12), 10**12)
numbers = st.integers(0, 300) | st.integers(0, 2**53 - 1)
seconds = st.none() | st.floats(0, 1e9)


KINDS = ["zone_entered", "zone_exited", "zone_lost", "track_ended", "gap"]
PATHS = ["status", "info", "metrics", "camera/a/status", "camera/a/events", "camera/a/zones", "x/y"]
NONSENSE = [b"", b"[" * 5000, b"{}", b'{"node":"evil"}', b"1e999"]


@st.composite
def events(draw: st.DrawFn) -> list[Received]:
    """A valid event of evil, at any time, of any boot, session, camera and zone."""
    at_us = draw(moments)
    if abs(at_us) <= 10**12:
        at_us += now_us()
    number, boot, camera = draw(numbers), draw(names), draw(names)
    gap = {"boot": draw(names), "first": draw(numbers) + 1, "last": draw(numbers) + 1, "count": 1}
    message = {
        "schema": "darner.event/1", "node": "evil", "session": draw(names), "published_us": abs(at_us),
        "camera": camera, "seq": draw(numbers), "captured_us": abs(draw(moments)),
        "event_id": f"{boot}{number}", "type": draw(st.sampled_from(KINDS)), "occurred_us": abs(at_us),
        "zone": draw(st.none() | names), "dwell_s": draw(seconds), "boot": boot, "number": number,
        "oldest": draw(st.none() | numbers), "label": draw(st.none() | st.text(max_size=20)),
        "gap": draw(st.none() | st.just(gap)),
    }  # fmt: skip
    return [wire.received(f"evil/camera/{camera}/events", message)]


def burst(seed: int, kind: str, count: int) -> list[Received]:
    """So many messages of a kind, with invented names."""
    dice = random.Random(seed)
    made: list[Received] = []
    for n in range(count):
        one, other = f"x{dice.randrange(10**6)}", f"y{dice.randrange(5)}"
        match kind:
            case "events":
                long = "z" * 500
                made.append(event("evil", 1, zone=one, session=f"s{one}", boot=f"b{one}", snapshot=long))
            case "holes":
                made.append(event("evil", 2 * n + 2, boot=other, occurred_us=now_us() - n * MINUTE))
            case "zones":
                made.append(wire.zone(one, "evil", other))
            case "cameras":
                made.append(wire.camera(one, "evil"))
            case "versions":
                made.append(wire.zones(*(f"{one}{k}" for k in range(50)), of="evil", camera=other))
            case "nodes":
                made.append(wire.status(f"node{one}"))
            case "pictures":
                jpeg = picture_of(1) + bytes(dice.randrange(900_000))
                made.append(wire.thumbnail(n, jpeg, "evil", other))
            case "snapshots":
                jpeg = picture_of(1) + bytes(dice.randrange(250_000))
                made.append(wire.received(f"evil/camera/a/snapshot/{n}", raw=jpeg, session=one))
    return made


BURSTS = ["events", "holes", "zones", "cameras", "versions", "nodes", "pictures", "snapshots"]
sent = st.lists(
    st.one_of(
        events(),
        st.builds(burst, st.integers(0, 99), st.sampled_from(BURSTS), st.integers(1, 120)),
        st.builds(lambda path, raw: [wire.received(f"evil/{path}", raw=raw)], st.sampled_from(PATHS),
                  st.sampled_from(NONSENSE) | st.binary(max_size=50)),
        st.builds(lambda cameras: [wire.info(*cameras, of="evil")], st.lists(names, max_size=4)),
        st.builds(lambda seq, camera: [wire.detections(seq, "evil", camera)], st.integers(0, 20), names),
    ),
    max_size=12,
).map(lambda parts: list(itertools.chain.from_iterable(parts)))  # fmt: skip


class Viewer:
    """What the subscriber does with each message, without a broker."""

    def __init__(self, folder: Path) -> None:
        kept = HistorySettings(path=str(folder / "h.db"), max_mb=1, snapshots_mb=1)
        self.quotas = Quotas(SMALL)
        self.now_s = 0.0
        self.path = folder / "h.db"
        self.hub = Hub(State(topics.DEFAULT_PREFIX, self.quotas, lambda: self.now_s), 1, {})
        self.history = History(kept, lambda: self.now_s, self.quotas)
        self.snapshots = SnapshotStore(kept, self.quotas)
        self.versions = Versions(folder / "z.db", self.quotas)
        self.inbox = Inbox(topics.DEFAULT_PREFIX, self.quotas)
        self.acknowledged: dict[tuple[str, str], int] = {}

    def __enter__(self) -> Viewer:
        for store in (self.history, self.snapshots, self.versions):
            store.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        for store in (self.history, self.snapshots, self.versions):
            store.__exit__(*error)

    def take(self, *messages: Received) -> None:
        for message in messages:
            self.inbox.put(message)
        with contextlib.suppress(TimeoutError):
            while True:
                with contextlib.suppress(MessageError):
                    self._take(self.inbox.get(0))

    def _take(self, received: Received) -> None:
        found = topics.match(topics.DEFAULT_PREFIX, received.topic)
        if found is None:
            raise MessageError("unknown")
        row, ids = found
        self.now_s += 0.01
        if self.history.due_s == 0.0:
            self.acknowledged |= {mark[:2]: mark.number for mark in self.history.commit()}
        if row is topics.SNAPSHOT:
            self.snapshots.add(ids, received)
            return
        if row is topics.EVENTS:
            self.history.add(decode(Event, received.payload))
        self.hub.handle(received)
        if row is topics.ZONES and received.payload:
            self.versions.add(decode(Zones, received.payload))
        if row is topics.ZONE and received.payload:
            self.history.hear(decode(ZoneState, received.payload))

    def settle(self) -> None:
        self.now_s += 1
        self.acknowledged |= {mark[:2]: mark.number for mark in self.history.commit()}


def event(node: str, number: int, **more: Any) -> Received:
    at_us = now_us()
    fields: dict[str, Any] = {
        "node": node, "session": "s1", "published_us": at_us, "camera": "c", "seq": number,
        "captured_us": at_us, "event_id": f"{node}-{number}", "type": "zone_entered", "occurred_us": at_us,
        "zone": "door", "boot": "b", "number": number, "oldest": 1,
    }  # fmt: skip
    return wire.received(f"{node}/camera/c/events", dataclasses.asdict(Event(**(fields | more))))


SHOP = [
    wire.status("shop"), wire.info("c", of="shop"), wire.camera("c", "shop"),
    wire.zones("door", of="shop"), wire.zone("door", "shop"),
]  # fmt: skip


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(before=sent, between=sent, after=sent)
def test_whatever_one_node_sends_another_loses_nothing(
    before: list[Received], between: list[Received], after: list[Received]
) -> None:
    with tempfile.TemporaryDirectory() as folder, Viewer(Path(folder)) as viewer:
        # Announced before the nodes of others have taken all places: who speaks keeps the place.
        viewer.take(*SHOP[:1])
        viewer.take(*before, *SHOP)
        viewer.take(*(event("shop", number) for number in range(1, 6)))
        viewer.take(*between)
        viewer.take(
            event("shop", 6, zone="new"), *SHOP, wire.detections(1, "shop"), wire.thumbnail(1, None, "shop")
        )
        viewer.take(*after)
        viewer.settle()
        assert viewer.acknowledged["shop", "b"] == 6
        with Database(viewer.path).reading() as db:
            assert len(feed.page(db, Filter(node="shop"), 100)[0]) == 6
            assert len(feed.page(db, Filter(node="shop", zone="new"), 100)[0]) == 1
            place = series.find(db, "shop", "c", "door")
            counted = series.series(db, place, now_us() - 10 * MINUTE, now_us() + MINUTE, 60)
        assert sum(counted.entered) == 5
        known = [update for update in viewer.hub.state.everything() if update.kind == "state"]
        assert [update.key for update in known if update.key[1] == "shop"] == [
            ("status", "shop"), ("info", "shop"), ("camera_status", "shop", "c"), ("zones", "shop", "c"),
            ("zone", "shop", "c", "door"),
        ]  # fmt: skip
        assert viewer.hub.state.last_frame(("shop", "c")) is not None
        assert not [one for one in viewer.quotas.reached() if one.node == "shop"]
        for update in known:  # whatever was taken in can be shown
            json.loads(update.payload[update.payload.index(b"{") :])


def test_the_bursts_reach_every_quota(tmp_path: Path) -> None:
    """Otherwise the test above would show nothing."""
    with Viewer(tmp_path) as viewer:
        viewer.take(*SHOP[:1], wire.status("evil"), *(wire.camera(f"y{n}", "evil") for n in range(5)))
        for kind in ("zones", "pictures", *BURSTS):
            viewer.take(*burst(1, kind, {"events": 1500, "snapshots": 70}.get(kind, 40)))
        viewer.settle()
        assert {one.limit for one in viewer.quotas.reached()} >= {
            "boots", "cameras", "events", "nodes", "pictures_mb", "places", "sessions", "snapshots", "states",
        }  # fmt: skip
