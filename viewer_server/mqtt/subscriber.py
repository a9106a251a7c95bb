"""Receives every message from the broker: stores events and pictures, and hands what is shown to the hub.

No message can end it: one that breaks the contract is counted, logged once for its topic, and skipped.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from shared.asking.requests import NodeRequests
from shared.channel import Closed
from shared.errors import BrokerError, MessageError
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.service.watchdog import Look
from shared.wire import topics
from shared.wire.messages import (
    Ack,
    Metrics,
    NodeInfo,
    NodeMessage,
    NodeStatus,
    Track,
    Zones,
    ZoneState,
    decode,
    decode_event,
    encode,
    now_us,
)
from shared.wire.picture_names import frame_of
from shared.wire.topics import Topic
from viewer_server.config import HistorySettings
from viewer_server.live.hub import Hub
from viewer_server.live.metrics import ViewerMetrics
from viewer_server.live.reading import SHOWN, check_names
from viewer_server.live.recent import MAX_EVENTS
from viewer_server.memory import Settler, Trimmer
from viewer_server.mqtt.inbox import Inbox
from viewer_server.mqtt.interests import Interests
from viewer_server.mqtt.introductions import Introductions
from viewer_server.mqtt.media import MEDIA, Media
from viewer_server.quotas import OnceByNode
from viewer_server.stored.history import History
from viewer_server.stored.nodes.boots import Mark
from viewer_server.stored.snapshots import SnapshotStore
from viewer_server.stored.versions import Versions

log = logging.getLogger("darner.viewer")

IDLE_S = 0.25
"""Longest wait for a message: how soon a lost connection is noticed."""
LOOK_S = 0.02
"""How often the connection is looked at while messages come."""
DISK_S = 60.0
"""How long the disk may hang until the viewer counts as frozen, seconds."""
END_S = 1.0
"""How long stopping waits until messages that have arrived are stored."""


class Subscriber:
    """A subscription to all of Darner's topics; `with` starts and ends it.

    Args:
        settings: The broker.
        hub: Gets every message that is shown.
        metrics: Counts messages.
        history: Stores events.
        on_refused: Called when the broker refuses our credentials or certificate.
        versions: Stores definitions of zones and lines; by default in memory.
        snapshots: Stores pictures of tracks; by default none.

    Attributes:
        versions: Earlier definitions of zones and lines.
        requests: Sends requests to edge nodes over the same connection.
        media: Detections and pictures of cameras that somebody looks at.
    """

    def __init__(
        self,
        settings: MqttSettings,
        hub: Hub,
        metrics: ViewerMetrics,
        history: History,
        on_refused: Callable[[BrokerError], None],
        versions: Versions | None = None,
        snapshots: SnapshotStore | None = None,
    ) -> None:
        self._prefix = settings.prefix
        self._hub = hub
        self._metrics = metrics
        self._history = history
        self.versions = versions or Versions(None)
        self._snapshots = snapshots or SnapshotStore(HistorySettings(path=None))
        self._session = f"viewer-{secrets.token_hex(4)}"
        self._quotas = hub.state.quotas
        self._once = OnceByNode(self._quotas.settings.nodes)
        self._sessions: OrderedDict[str, str] = OrderedDict()
        self._acknowledged: OrderedDict[str, None] = OrderedDict()
        self._inbox = Inbox(settings.prefix, self._quotas, lambda: self._client.still_here())
        self._client = Client(settings, name="darner-viewer", on_refused=on_refused, sink=self._inbox.put)
        self.requests = NodeRequests(self._client, settings)
        limits = self._quotas.settings
        self._introductions = Introductions(
            self._client, settings.prefix, met=limits.nodes + limits.all_states
        )
        self._address: str | None = None
        interests = Interests(
            self._client, settings.prefix, self._session, lambda: history.archive, hub.online, limits.nodes
        )
        self._interests, self.media = interests, Media(self._client, settings.prefix, hub, interests)
        self._thread: threading.Thread | None = None
        self._turns = 0

    def __enter__(self) -> Subscriber:
        self._subscribe()
        with ExitStack() as started:
            stores = started.enter_context(ExitStack())
            for store in (self._history, self._snapshots, self.versions):
                stores.enter_context(store)
            self._hub.remember(self._history.recent(MAX_EVENTS))
            # Sent as soon as the broker is connected: they tell the nodes that this archive is back.
            self._acknowledge(self._history.newest_marks())
            started.enter_context(self._client)
            # Made here and not in the constructor: a thread object that lived through a fork says it is dead.
            self._thread = threading.Thread(
                target=self._run, args=(stores.pop_all(),), name="subscriber", daemon=True
            )
            self._thread.start()
            started.pop_all()  # from here on, `__exit__` ends the client and the thread closes the stores
        return self

    def __exit__(self, *error: object) -> None:
        self.requests.close()
        self._interests.close()
        self._client.__exit__(None, None, None)
        self._inbox.close()
        if self._thread is not None:
            self._thread.join(END_S)

    @property
    def keeps_history(self) -> bool:
        """Whether events and pictures of tracks are to be stored."""
        return self._history.wanted

    @property
    def alive(self) -> bool:
        """Whether the thread that handles messages runs."""
        return self._thread is not None and self._thread.is_alive()

    def look(self) -> Look:
        """What a watchdog sees of the thread, which may have to wait for the disk."""
        return Look(self._turns, frozen_s=DISK_S)

    def look_at_network(self) -> Look:
        """What a watchdog sees of the connection's thread."""
        return self._client.look()

    def _subscribe(self) -> None:
        self.requests.subscribe()
        own = [topics.SNAPSHOT] if self._history.wanted else []
        for row in (*(row for row in SHOWN if row not in MEDIA), *own, topics.TRACK):
            self._client.subscribe(row.filter(self._prefix), row.qos)

    def _ask_again(self) -> None:
        """Have the broker send its retained messages again, as for every subscription that is made again."""
        for row in SHOWN:
            if row.retain:
                self._client.subscribe(row.filter(self._prefix), row.qos)

    def _run(self, stores: ExitStack) -> None:
        """Handle messages until the connection is closed and the last message is stored."""
        trim, settle, look_s = Trimmer(), Settler(), 0.0
        with stores:
            while True:
                self._turns += 1
                if (now := time.monotonic()) >= look_s:  # not for each of thousands of messages a second
                    look_s = now + LOOK_S
                    if trim():
                        census = self._hub.census()
                        settle(census["nodes"] + census["cameras"])
                    self._watch_connection()
                    self.media.attend()
                due_s = self._history.due_s
                if due_s == 0.0:
                    self._acknowledge(self._history.commit())
                try:
                    received = self._inbox.get(timeout=IDLE_S if due_s is None else due_s)
                except TimeoutError:
                    continue
                except Closed:
                    return
                self._handle(received)

    def _watch_connection(self) -> None:
        # A subscription that is made on a connection that stands is no loss of the broker.
        listening = self._client.subscribed or (self._metrics.broker_connected and self._client.connected)
        address = self._client.address.url if listening else None
        if (listening, address) != (self._metrics.broker_connected, self._address):
            self._metrics.broker_connected, self._address = listening, address
            self._hub.broker(listening, address)
        if self._hub.should_ask_again():
            self._ask_again()

    def _handle(self, received: Received) -> None:
        found = topics.match(self._prefix, received.topic)
        row, ids = found or (None, {})
        name = row.name if row else "unknown"
        self._metrics.received.labels(name).inc()
        if row is not None and row is not topics.RESPONSE:
            self._introductions.heard(row, ids)
        try:
            self._take(row, ids, received)
        except MessageError as error:
            self._metrics.refused.labels(name).inc()
            node = ids.get("node", "")
            if self._once(node if self._hub.knows(node) else "", received.topic):
                log.warning("%r: skipped a message: %s (said once for this topic)", received.topic, error)
        except Exception:  # a fault of ours must cost one message, not the page
            self._metrics.refused.labels(name).inc()
            if self._once("fault", "fault"):
                log.exception("a message on %r was skipped through a fault in the viewer", received.topic)

    def _take(self, row: Topic | None, ids: Mapping[str, str], received: Received) -> None:
        if row is topics.RESPONSE:
            self.requests.handle(received)
            return
        if row is topics.SNAPSHOT:
            if not self._hub.knows(ids["node"]) and not self._history.knows(ids["node"]):
                raise MessageError("its node has not announced itself in a retained topic")
            self._snapshots.add(ids, received, self._sessions.get(ids["node"], ""))
            return
        if row is topics.TRACK:
            if not self._hub.knows(ids["node"]):
                raise MessageError("its node has not announced itself in a retained topic")
            track = decode(Track, received.payload)
            check_names(ids, track)
            self._hub.paths.add(track)
            return
        if (
            row is topics.THUMBNAIL
            and frame_of(received.user_properties, received.payload) is None
            and self._once(ids["node"], received.topic)
        ):
            log.warning(
                "%r: its pictures do not say which frame they show, so each is shown with the newest boxes; "
                "update the node, or let node, viewer and every bridge between them speak MQTT 5",
                received.topic,
            )
        if row is topics.EVENTS and received.payload:
            self._take_event(ids, received)
            return
        self._note(self._hub.handle(received, (row, ids) if row else None))

    def _note(self, message: NodeMessage | None) -> None:
        if isinstance(message, Zones):
            self.versions.add(message)
        elif isinstance(message, Metrics):
            self._history.hear(message)
            self._hear_session(message)
            self._introductions.heard_cameras(message.node, message.cameras)
        elif isinstance(message, NodeInfo):
            self._interests.hear(message)
        elif isinstance(message, NodeStatus):
            self._hear_session(message)
        elif isinstance(message, ZoneState):
            self._history.hear(message)

    def _hear_session(self, message: NodeMessage) -> None:
        """Note a node's session: a snapshot without properties is of the one that runs."""
        self._sessions[message.node] = message.session
        self._sessions.move_to_end(message.node)
        if len(self._sessions) > self._quotas.settings.nodes:
            self._sessions.popitem(last=False)

    def _take_event(self, ids: Mapping[str, str], received: Received) -> None:
        """Store an event, and show it if it is no repetition; with a time that can be right."""
        sent, known = decode_event(received.payload)
        check_names(ids, sent)
        if not known and self._once(ids["node"], received.topic):
            log.warning(
                "%r: a %s event has more in it than this version knows; it is kept, and shown as far "
                "as it is known; update this viewer (said once for this topic)",
                received.topic,
                sent.type,
            )
        event = self._history.heed(sent)
        before = self._history.holes
        is_new = self._history.add(event, None if known else received.payload)
        self._metrics.repeated.inc(not is_new)
        self._metrics.holes.inc(self._history.holes - before)
        if is_new:
            self._hub.handle(received, (topics.EVENTS, ids), event)

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
            self._acknowledged[path] = None
            self._acknowledged.move_to_end(path)
            if len(self._acknowledged) > 2 * self._quotas.settings.nodes:
                # The broker keeps what it was told. Only nodes that gave way are that many.
                self._client.forget_state(self._acknowledged.popitem(last=False)[0])
