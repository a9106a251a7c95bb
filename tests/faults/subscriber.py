"""A stranger's subscriber: plain paho, with a session that the broker keeps.

It identifies an event by node, boot and number, and leaves out repetitions. It stores nothing, and
acknowledges nothing to the node.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

import orjson
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from shared.wire import topics
from tests.faults.judges.account import Arrival, Key
from tests.faults.judges.tracks import Tracks
from tests.faults.judges.truth import HEEDED, Truth
from tests.faults.processes import wait_for

PREFIX = topics.DEFAULT_PREFIX
ANSWERED_WITHIN_S = 10.0
STATE = (topics.CALENDAR, topics.MODE, topics.RULES, topics.HEALTH, topics.RESPONSE)
"""What it keeps of a node, beside what the truth heeds."""


class Subscriber:
    """What a run needs to know of the messages on the broker. `with` connects and disconnects.

    Args:
        host: The broker's host.
        ports: The broker's port, or those of a cluster's members, which are tried in turn.
        node: The node whose messages count.
        version: Of MQTT, "5" or "3.1.1".
        qos: At which it subscribes.

    Attributes:
        arrivals: Events in the order of their arrival, repetitions included.
        frames: By camera, when the newest frame was captured, microseconds.
        event_us: When the frame of the newest live event was captured, microseconds.
        archived: By boot, the number up to which the archive has all events, and when that last grew.
        backlog_gone_at: When the node last reported an empty outbox.
        status: The node's status, and when it last changed.
        reason: Why it changed, if the node said so.
        rejected: Messages on the node's topics that could not be read.
        truth: Whether what it believed was true.
        tracks: The finished tracks that it was told of.
        said: The newest calendar, mode, rules, health, and numbers of zones, by topic below the node.
        answers: The node's answers, by transaction.
        alerts: How many there were, by camera and rule.
        times: When each event happened and its frame was captured, as the node says.
    """

    def __init__(self, host: str, ports: Sequence[int], node: str, version: str = "5", qos: int = 1) -> None:
        self._node, self._qos = node, qos
        self.arrivals: list[Arrival] = []
        self.frames: dict[str, int] = {}
        self.event_us = 0
        self.archived: dict[str, tuple[int, float]] = {}
        self.backlog_gone_at = 0.0
        self.status = ("", 0.0)
        self.reason = ""
        self.rejected = 0
        self.truth = Truth(PREFIX)
        self.tracks = Tracks()
        self.said: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, dict[str, Any]] = {}
        self.alerts: Counter[tuple[str, str]] = Counter()
        self.times: dict[Key, dict[str, int]] = {}
        self._ready = threading.Event()
        self._host, self._ports = host, deque(ports)
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            "somebody",
            protocol=paho.MQTTv5 if version == "5" else paho.MQTTv311,
            clean_session=None if version == "5" else False,
        )
        self._client.suppress_exceptions = True
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_disconnect = self._client.on_connect_fail = self._next
        self._kept: dict[str, Any] = {}
        if version == "5":
            kept = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no type there
            kept.SessionExpiryInterval = 3600
            self._kept = {"clean_start": False, "properties": kept}
        self._client.connect_async(host, self._ports[0], keepalive=60, **self._kept)

    def __enter__(self) -> Subscriber:
        self._client.loop_start()
        if not self._ready.wait(20):
            raise TimeoutError("the subscriber does not reach the broker")
        return self

    def __exit__(self, *error: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def ask(self, command: str, payload: bytes) -> None:
        """Send the node a request."""
        self._client.publish(f"{PREFIX}/{self._node}/request/{command}", payload, 1)

    def post(self, command: str, body: dict[str, Any]) -> str:
        """Send the node a request, and do not wait; the transaction that its answer will have."""
        transaction = secrets.token_hex(8)
        self.ask(command, orjson.dumps({**body, "transaction": transaction}))
        return transaction

    def request(self, command: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send the node a request, and wait for its answer.

        Raises:
            FaultError: None came in time.
        """
        transaction = self.post(command, body)
        wait_for(lambda: transaction in self.answers, ANSWERED_WITHIN_S, f"{command} is answered")
        return self.answers[transaction]

    def archived_through(self, boot: str) -> int:
        """The number up to which the archive has acknowledged a boot's events."""
        return self.archived.get(boot, (0, 0.0))[0]

    def _on_connect(self, *_: object) -> None:
        self.truth.forget()
        rows = {*HEEDED, *STATE, topics.EVENTS, topics.TRACK, topics.DETECTIONS, topics.ACK, topics.METRICS}
        filters = [row.filter(PREFIX).replace("+", self._node, 1) for row in rows]
        self._client.subscribe([(one, self._qos) for one in filters])

    def _next(self, *_: object) -> None:
        """Go on to the cluster's next member."""
        if len(self._ports) > 1:
            self._ports.rotate(-1)
            self._client.connect_async(self._host, self._ports[0], keepalive=60, **self._kept)

    def _on_subscribe(self, *answer: Any) -> None:
        if any(reason.is_failure for reason in answer[3]):  # by a cluster that chooses a leader
            threading.Timer(0.5, self._on_connect).start()
        else:
            self._ready.set()

    def _on_message(self, client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:  # noqa: ARG002
        self.truth.take(message.topic, bytes(message.payload))
        try:
            levels = message.topic.split("/")
            self._remember(levels[3:], bytes(message.payload))
            kind = "ack" if levels[3] == "ack" else levels[-1]
            if len(levels) > 4 and kind not in ("events", "detections", "ack", "track"):
                return  # a camera's state, which only the truth heeds
            body = orjson.loads(message.payload)
            if kind == "events":
                self._event(body)
            elif kind == "track":
                self.tracks.track(body)
            elif kind == "detections":
                self.frames[body["camera"]] = body["captured_us"] + 0
            elif kind == "ack" and int(body["number"]) > self.archived_through(body["boot"]):
                self.archived[body["boot"]] = body["number"], time.time()
            elif kind == "metrics" and body["outbox"]["backlog"] == 0:
                self.backlog_gone_at = time.time()
            elif kind == "status":
                self.reason = body.get("reason") or ""
                if body["status"] != self.status[0]:
                    self.status = body["status"], time.time()
        except (ValueError, TypeError, KeyError, AttributeError):
            self.rejected += 1

    def _remember(self, levels: list[str], payload: bytes) -> None:
        """Note an answer, and the newest of what the node retains; the truth judges of the rest."""
        if levels[0] == "response":
            answer = orjson.loads(payload)
            self.answers[answer["transaction"]] = answer
        elif payload and (levels[-1] in ("calendar", "mode", "rules", "health") or levels[-2:-1] == ["zone"]):
            self.said["/".join(levels)] = orjson.loads(payload)

    def _event(self, body: dict[str, Any]) -> None:
        boot, number, historical = body["boot"], body["number"], body["historical"]
        captured_us = body["captured_us"]
        if not (isinstance(boot, str) and isinstance(number, int) and isinstance(captured_us, int)):
            raise TypeError("no event")
        self.arrivals.append(Arrival(Key(boot, number), bool(historical)))
        self.times[Key(boot, number)] = {name: body[name] for name in ("occurred_us", "captured_us")}
        self.tracks.event(body)
        if body["type"] == "alert":
            self.alerts[body["camera"], body["alert"]["rule"]] += 1
        if not historical:
            self.event_us = captured_us
