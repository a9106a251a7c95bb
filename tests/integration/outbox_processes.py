"""The two ends of event delivery as processes that a test can kill; run it with `python -m` and a role.

`edge` makes events from a seed until the file `stop` exists, and ends when all are delivered. It lists the
events that it has committed to disk in `committed`, so that a test knows the promises of a killed edge.
`viewer` is the viewer without its pages; there may be several, each with a name.
"""

from __future__ import annotations

import argparse
import os
import random
import threading
import time
from pathlib import Path
from typing import Any

from edge_node.config.saved.definitions import Definitions
from edge_node.config.settings import OutboxSettings
from edge_node.days.book import DayBook
from edge_node.outbox.backlog import Backlog
from edge_node.outbox.event_file import Row
from edge_node.outbox.outbox import Outbox
from shared import log
from shared.errors import BrokerError
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.wire import topics
from shared.wire.messages import Event, ZoneDefinition, now_us
from viewer_server.config import HistorySettings
from viewer_server.live.hub import Hub
from viewer_server.live.metrics import ViewerMetrics
from viewer_server.live.state import State
from viewer_server.mqtt.subscriber import Subscriber
from viewer_server.stored.history import History

NODE = "box"
CAMERAS = ("front", "back")
ZONE = ZoneDefinition(polygon=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)))
COUNTED = Definitions(version=1, zones={"door": ZONE, "till": ZONE}, lines={})


def utc_day(at_us: int) -> int:
    return at_us - at_us % 86_400_000_000


def edge(url: str, folder: Path, seed: int, rate: float) -> None:
    committed = (folder / "committed").open("ab", buffering=0)
    write = Backlog.write

    def recorded(self: Backlog, *given: Any, **named: Any) -> list[Row]:
        rows = write(self, *given, **named)
        committed.write(b"".join(f"{row.boot} {row.number}\n".encode() for row in rows))
        return rows

    Backlog.write = recorded  # type: ignore[method-assign]  # to see what was committed
    dice = random.Random(seed)
    settings = OutboxSettings(path=str(folder / "outbox.db"), replay_per_s=1000)
    prefix = topics.DEFAULT_PREFIX
    with (
        Client(MqttSettings(url=url), name="edge") as client,
        Outbox(client, settings, NODE, prefix, "s") as outbox,
    ):
        threading.Thread(target=_listen, args=(client, outbox), daemon=True).start()
        book = DayBook(dict.fromkeys(CAMERAS, COUNTED), utc_day, outbox.days(), now_us())
        outbox.add_all([], book.rows)
        while not (folder / "stop").exists():
            event = _event(dice)
            outbox.add_all([event], book.cameras[event.camera].count([event], event.captured_us))
            time.sleep(dice.expovariate(rate))
        while outbox.metrics().backlog:
            time.sleep(0.05)


def _event(dice: random.Random) -> Event:
    return Event(
        node=NODE,
        session="s",
        published_us=now_us(),
        camera=dice.choice(CAMERAS),
        seq=1,
        captured_us=now_us(),
        event_id="",
        type=dice.choice(("zone_entered", "zone_exited", "zone_lost")),
        occurred_us=now_us(),
        label=dice.choice(("person", "dog")),
        zone=dice.choice(("door", "till")),
        track_id=dice.randrange(1000),
    )


def _listen(client: Client, outbox: Outbox) -> None:
    for received in client.received:
        outbox.acknowledged(received)


def viewer(url: str, folder: Path, name: str) -> None:
    def refused(error: BrokerError) -> None:
        raise error

    hub = Hub(State(topics.DEFAULT_PREFIX), 1, {})
    metrics = ViewerMetrics(hub)
    history = History(HistorySettings(path=str(folder / f"{name}.db")))
    with Subscriber(MqttSettings(url=url), hub, metrics, history, refused):
        while True:
            repeated = metrics.registry.get_sample_value("darner_viewer_events_repeated_total") or 0
            unfinished = folder / f"unfinished-{os.getpid()}"
            unfinished.write_text(str(int(repeated)))
            unfinished.replace(folder / f"repeated-{os.getpid()}")  # whole, whenever we are killed
            if (folder / "viewer-stop").exists():
                return
            time.sleep(0.05)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("edge", "viewer"))
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--name", default="history")
    given = parser.parse_args()
    log.setup("INFO")
    if given.role == "edge":
        edge(given.url, given.folder, given.seed, given.rate)
    else:
        viewer(given.url, given.folder, given.name)
