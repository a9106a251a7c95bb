"""The rules of the contract: for each message alone, and for each against those before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from shared.clock import FOLLOWED_NS
from shared.conformance import numbers
from shared.conformance.alerts import EVENT_TYPES, Alerts, event_problems
from shared.conformance.delivery import delivery_problems, property_problems
from shared.conformance.naming import said_of
from shared.conformance.pairing import ArrivedPicture, Pairing
from shared.errors import MessageError
from shared.mqtt.received import Received
from shared.pictures import is_whole_jpeg, read_jpeg_header
from shared.wire import topics
from shared.wire.messages import (
    DetectionsMessage,
    Event,
    FrameMessage,
    NodeStatus,
    Response,
    Track,
    ZoneState,
    decode,
    decode_event,
)

SETTLED_S = 5.0
"""A picture expires after this time; a frame number that no detections message reached by then is wrong."""
REMEMBERED_EVENTS = 10_000
NAMED_TYPES = 20
"""Types of events that are not known here and are counted by name; those beyond count as "others"."""


@dataclass
class Break:
    """One rule that messages of one row of the topic table broke.

    Attributes:
        row: Name of the row, or "unknown".
        kind: The rule.
        topic: Topic of the first message that broke it.
        detail: What was wrong with that message.
        count: How many messages broke it.
    """

    row: str
    kind: str
    topic: str
    detail: str
    count: int = 1


@dataclass(frozen=True)
class Report:
    """What came, and what was wrong with it.

    Attributes:
        messages: Number of messages, by row of the topic table.
        breaks: The broken rules.
        lost: Detections messages that were sent and did not arrive.
        repeated: Events that came again, which delivery at least once allows.
        unpaired: Pictures of frames that `dropped` counts, because no detections message reported them.
        unnamed: Pictures that name no frame, neither in properties nor in a comment. An older node makes them
            where properties are lost.
        unknown_types: Events of types that this version does not know, by type: a newer node may send them.
        unread: Messages that were not checked because they came too fast.
    """

    messages: dict[str, int]
    breaks: list[Break]
    lost: int
    repeated: int
    unpaired: int
    unread: int = 0
    unnamed: int = 0
    unknown_types: dict[str, int] = field(default_factory=dict)


@dataclass
class _Stream:
    """The last message of a topic in a session."""

    published_us: int = 0
    captured_us: int = 0
    seq: int = 0
    dropped: int = 0
    version: int = 0
    reported: int | None = None
    zone: ZoneState | None = None
    events: dict[str | int, None] = field(default_factory=dict)

    def frame(self, seq: int, captured_us: int) -> Iterator[tuple[str, str]]:
        """Take in the number and time of a frame; yield what is wrong with them."""
        if seq < self.seq:
            yield "seq runs backwards", f"{seq} after {self.seq}"
        if _ran_back(self.captured_us, captured_us):
            yield "captured_us runs backwards", f"{captured_us} after {self.captured_us}"
        self.seq, self.captured_us = max(seq, self.seq), _latest(self.captured_us, captured_us)


def _ran_back(before_us: int, now_us: int) -> bool:
    """Whether times go back as no host's clock explains: one that is set back by more is followed at once."""
    return 0 < before_us - now_us <= FOLLOWED_NS // 1000


def _latest(before_us: int, now_us: int) -> int:
    return before_us if _ran_back(before_us, now_us) else now_us


class Checker:
    """Checks messages in the order in which they come.

    Args:
        prefix: The first levels of all topics.
        properties: Whether messages must have MQTT 5 properties.
        as_published: Whether live messages keep the retain flag of their publisher.
        qos: Whether messages come at QoS 1 that are published at QoS 1.
    """

    def __init__(
        self, prefix: str, *, properties: bool = True, as_published: bool = True, qos: bool = True
    ) -> None:
        self._prefix = prefix
        self._properties, self._as_published, self._qos = properties, as_published, qos
        self._messages: Counter[str] = Counter()
        self._breaks: dict[tuple[str, str], Break] = {}
        self._streams: dict[tuple[str, str], _Stream] = {}
        self._pairing = Pairing(SETTLED_S)
        self._alerts = Alerts(SETTLED_S)
        self._lost = self._repeated = self._unnamed = 0
        self._unknown_types: Counter[str] = Counter()

    def check(self, received: Received, now_s: float) -> None:
        """Check one message.

        Args:
            received: The message, with the retain flag of its publisher.
            now_s: When it came, in seconds on any clock.
        """
        self._alerts.passes(now_s)
        found = topics.match(self._prefix, received.topic)
        row, ids = found if found else (None, {})
        self._messages[row.name if row else "unknown"] += 1
        for kind, detail in self._problems(row, ids, received, now_s):
            self._note(row.name if row else "unknown", kind, received.topic, detail)

    def finish(self) -> Report:
        """End the check and return the report."""
        for picture in self._pairing.finish():
            detail = f"no detections message has seq {picture.seq} or counts it as dropped"
            self._note("thumbnail", "picture of no frame", picture.topic, detail)
        for topic, kind, detail in self._alerts.finish():
            self._note("alert", kind, topic, detail)
        return Report(
            dict(self._messages),
            list(self._breaks.values()),
            self._lost,
            self._repeated,
            self._pairing.unpaired,
            unnamed=self._unnamed,
            unknown_types=dict(self._unknown_types),
        )

    def _note(self, row: str, kind: str, topic: str, detail: str) -> None:
        known = self._breaks.get((row, kind))
        if known:
            known.count += 1
        else:
            self._breaks[row, kind] = Break(row, kind, topic, detail)

    def _problems(
        self, row: topics.Topic | None, ids: dict[str, str], received: Received, now_s: float
    ) -> Iterator[tuple[str, str]]:
        if row is None:
            yield "not in the topic table", f"{len(received.payload)} bytes"
            return
        yield from delivery_problems(row, received, as_published=self._as_published, qos=self._qos)
        if not received.payload and (row.retain or row is topics.REQUEST):
            return  # a cleared state, or a request without fields
        if self._properties and row is not topics.REQUEST:  # people send requests with any client
            yield from property_problems(row, received)
        if row.payload == "jpeg":
            yield from self._picture_problems(row, ids, received, now_s)
            return
        try:
            message = self._read(row, received.payload)
        except MessageError as error:
            yield "schema", str(error)
            return
        for name, value in ids.items():
            body = getattr(message, name, value)
            in_mailbox = row is topics.RESPONSE and name == "command"  # it may have any name
            if body != value and row is not topics.REQUEST and not in_mailbox:
                yield "topic and body differ", f"{name} is {value!r} in the topic and {body!r} in the body"
        if isinstance(message, Response) and message.code is not None and message.error is None:
            yield "code without an error", message.code
        if isinstance(message, Event):
            yield from event_problems(row, message)
            self._alerts.check(row, message, received)
        if row is not topics.REQUEST:
            yield from self._order_problems(message, received, now_s)

    def _read(self, row: topics.Topic, payload: bytes) -> Any:
        """Read a message; an event of a type that is not known here, as far as every event can be read.

        Raises:
            MessageError: It breaks the contract.
        """
        assert not isinstance(row.payload, str)  # noqa: S101 - the caller has looked: pictures are read elsewhere
        try:
            return decode(row.payload, payload)
        except MessageError:
            if row.payload is not Event:
                raise
            event, _ = decode_event(payload)
            if event.type in EVENT_TYPES:
                raise
        known = event.type in self._unknown_types or len(self._unknown_types) < NAMED_TYPES
        self._unknown_types[event.type if known else "others"] += 1
        return event

    def _order_problems(self, message: Any, received: Received, now_s: float) -> Iterator[tuple[str, str]]:
        stream = self._streams.setdefault((received.topic, message.session), _Stream())
        if isinstance(message, (Event, Track)):
            identity = message.event_id if isinstance(message, Event) else message.track_id
            if (isinstance(message, Event) and message.historical) or identity in stream.events:
                self._repeated += 1
                return
            stream.events[identity] = None
            if len(stream.events) > REMEMBERED_EVENTS:
                del stream.events[next(iter(stream.events))]
        # The will was written when the node connected, before all later messages.
        will = isinstance(message, NodeStatus) and message.status == "offline"
        if _ran_back(stream.published_us, message.published_us) and not will:
            yield "published_us runs backwards", f"{message.published_us} after {stream.published_us}"
        if not will:
            stream.published_us = _latest(stream.published_us, message.published_us)
        version = getattr(message, "version", None)
        if isinstance(version, int):  # that of definitions: a program's is a text
            if version < stream.version:
                yield "version runs backwards", f"{version} after {stream.version}"
            stream.version = version
        if isinstance(message, FrameMessage):
            before_us = stream.captured_us
            yield from stream.frame(message.seq, message.captured_us)
            if isinstance(message, ZoneState) and message.seq == 0:
                # Before the first frame it has the node's time, which may be ahead of the camera's own clock.
                stream.captured_us = before_us
        if isinstance(message, ZoneState):
            yield from numbers.problems(message, stream.zone)
            stream.zone = message
        if isinstance(message, DetectionsMessage):
            yield from self._loss_problems(message, stream)
            camera = (message.node, message.camera, message.session)
            for picture in self._pairing.boxes(camera, message.seq, message.captured_us, now_s):
                yield (
                    "picture of another frame",
                    f"{picture.topic}: seq {picture.seq} with another captured_us",
                )

    def _loss_problems(self, message: DetectionsMessage, stream: _Stream) -> Iterator[tuple[str, str]]:
        if message.dropped > message.seq:
            yield (
                "dropped does not add up",
                f"dropped {message.dropped} at seq {message.seq}: more frames than there were",
            )
        reported = message.seq - message.dropped
        if message.dropped < stream.dropped:
            yield (
                "dropped does not add up",
                f"dropped {message.dropped} after {stream.dropped}: it never goes down",
            )
        elif stream.reported is not None:
            if reported <= stream.reported:
                detail = f"seq - dropped is {reported} after {stream.reported}: it goes up with every message"
                yield "dropped does not add up", detail
            else:
                self._lost += reported - stream.reported - 1
        stream.dropped, stream.reported = message.dropped, reported

    def _picture_problems(
        self, row: topics.Topic, ids: dict[str, str], received: Received, now_s: float
    ) -> Iterator[tuple[str, str]]:
        header = read_jpeg_header(received.payload) if is_whole_jpeg(received.payload) else None
        if header is None:
            yield (
                "not a JPEG",
                f"{len(received.payload)} bytes that begin with {received.payload[:4].hex(' ')}",
            )
        name, problems = said_of(received, header, by_properties=self._properties)
        yield from problems
        if name is None:
            self._unnamed += not problems
            return
        stream = self._streams.setdefault((received.topic, name.session), _Stream())
        yield from stream.frame(name.seq, name.captured_us)
        if row is topics.THUMBNAIL:
            picture = ArrivedPicture(received.topic, name.seq, name.captured_us, now_s)
            if not self._pairing.picture((ids["node"], ids["camera"], name.session), picture):
                yield (
                    "picture of another frame",
                    f"seq {name.seq} with another captured_us than its detections",
                )
