"""Takes what the broker sends to the hub; nothing that comes in can end it."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

from shared.channel import Closed
from shared.errors import BrokerError, MessageError
from shared.log import Once
from shared.mqtt.client import Client, MqttSettings, Received
from shared.wire import topics
from shared.wire.messages import Ack, Event, Metrics, Zones, ZoneState, decode, encode, now_us
from shared.wire.topics import Topic
from viewer_server.config import HistorySettings
from viewer_server.live.hub import Hub
from viewer_server.live.metrics import ViewerMetrics
from viewer_server.live.state import MAX_EVENTS, SHOWN, NotJoinable, check_names
from viewer_server.memory import Trimmer
from viewer_server.mqtt.asking import Commands
from viewer_server.stored.history import History, Mark
from viewer_server.stored.snapshots import Snapshots
from viewer_server.stored.versions import Versions

log = logging.getLogger("darner.viewer")


class Subscriber:
    """A subscription to all of Darner's topics; `with` starts and ends it.

    Args:
        settings: The broker.
        hub: Gets every message.
        metrics: Counts them.
        history: Stores the events.
        on_refused: Called when the broker refuses us for good.
        versions: Stores the zones and lines; by default until the end of the run.
        snapshots: Stores the pictures of tracks; by default none.

    Attributes:
        versions: The zones and lines that were in force.
        commands: Requests to edge nodes, over the same connection.
    """

    def __init__(
        self,
        settings: MqttSettings,
        hub: Hub,
        metrics: ViewerMetrics,
        history: History,
        on_refused: Callable[[BrokerError], None],
        versions: Versions | None = None,
        snapshots: Snapshots | None = None,
    ) -> None:
        self._prefix = settings.prefix
        self._hub = hub
        self._metrics = metrics
        self._history = history
        self.versions = versions or Versions(None)
        self._snapshots = snapshots or Snapshots(HistorySettings(path=None))
        self._session = f"viewer-{secrets.token_hex(4)}"
        self._once = Once()
        self._client = Client(settings, name="darner-viewer", on_refused=on_refused)
        self.commands = Commands(self._client, settings)
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Subscriber:
        self.commands.subscribe()
        for row in SHOWN:
            self._client.subscribe(row.filter(self._prefix), row.qos)
        self._client.subscribe(topics.SNAPSHOT.filter(self._prefix), topics.SNAPSHOT.qos)
        self._history.__enter__()
        self._snapshots.__enter__()
        self.versions.__enter__()
        self._hub.remember(self._history.recent(MAX_EVENTS))
        self._acknowledge(
            self._history.newest_marks()
        )  # sent when connected: it tells nodes that we are back
        self._client.__enter__()
        # Made here and not before: a thread object that lived through a fork says it is dead.
        self._thread = threading.Thread(target=self._run, name="subscriber", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.commands.close()
        self._client.__exit__(kind, error, trace)
        if self._thread is not None:
            self._thread.join(1.0)
            if not self._thread.is_alive():
                self._history.__exit__(kind, error, trace)
                self._snapshots.__exit__(kind, error, trace)
                self.versions.__exit__(kind, error, trace)

    @property
    def alive(self) -> bool:
        """Whether messages are being taken in."""
        return self._thread is not None and self._thread.is_alive()

    def _run(self) -> None:
        trim = Trimmer()
        try:
            while True:
                trim()
                self._watch_connection()
                due_s = self._history.due_s
                if due_s == 0.0:
                    self._acknowledge(self._history.commit())
                try:
                    self._handle(self._client.received.get(timeout=0.25 if due_s is None else due_s))
                except TimeoutError:
                    continue
        except Closed:
            return

    def _watch_connection(self) -> None:
        if self._client.connected != self._metrics.broker_connected:
            self._metrics.broker_connected = self._client.connected
            self._hub.broker(self._client.connected)

    def _handle(self, received: Received) -> None:
        found = topics.match(self._prefix, received.topic)
        name = found[0].name if found else "unknown"
        self._metrics.received.labels(name).inc()
        try:
            row = found[0] if found else None
            if row is topics.RESPONSE:
                self.commands.handle(received)
            elif found is not None and row is topics.SNAPSHOT:
                self._snapshots.add(found[1], received)
            elif found is None or row is not topics.EVENTS or self._store(found[1], received):
                self._hub.handle(received)
            if received.payload:
                self._note(row, received.payload)  # taken in by now, so it is a good one
        except NotJoinable as error:
            self._metrics.not_joinable.inc()
            self._say(received.topic, error)
        except MessageError as error:
            self._metrics.refused.labels(name).inc()
            self._say(received.topic, error)
        except Exception:  # a fault of ours must cost one message, not the page
            self._metrics.refused.labels(name).inc()
            if self._once("fault"):
                log.exception("a message on %r was skipped through a fault in the viewer", received.topic)

    def _note(self, row: Topic | None, payload: bytes) -> None:
        if row is topics.ZONES:
            self.versions.add(decode(Zones, payload))
        elif row is topics.METRICS:
            self._history.hear(decode(Metrics, payload))
        elif row is topics.ZONE:
            self._history.hear(decode(ZoneState, payload))

    def _store(self, ids: Mapping[str, str], received: Received) -> bool:
        """Whether an event is news; stored or not, it is shown only once."""
        if not self._history.is_open or not received.payload:
            return True
        event = decode(Event, received.payload)
        check_names(ids, event)
        before = self._history.holes
        news = self._history.add(event)
        self._metrics.repeated.inc(not news)
        self._metrics.holes.inc(self._history.holes - before)
        return news

    def _acknowledge(self, marks: Sequence[Mark]) -> None:
        for node, boot, number in marks:
            ack = Ack(
                node=node,
                session=self._session,
                published_us=now_us(),
                boot=boot,
                number=number,
                archive=self._history.archive,
            )
            path = topics.ACK.path(self._prefix, node=node, archive=ack.archive)
            self._client.set_state(topics.ACK, path, encode(ack))

    def _say(self, topic: str, error: MessageError) -> None:
        if self._once(topic):
            log.warning("%r: skipped a message: %s (said once for this topic)", topic, error)
