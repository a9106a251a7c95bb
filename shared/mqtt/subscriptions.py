"""Subscriptions that are made again on every new connection, and what the broker answered to them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Literal

import paho.mqtt.client as paho
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from shared.log import Once

log = logging.getLogger("darner.mqtt")

TOGETHER = 8
"""Filters in one packet: no broker is known to take fewer (AWS IoT Core takes 8)."""
AGAIN_S = 1.0
"""The wait before a refused subscription is asked for again; twice as long after each refusal."""
LONGEST_S = 30.0


class Subscriptions:
    """The topic filters of a client.

    Args:
        client: Sends the subscriptions; its callback for their acknowledgements belongs to this class.
        version: The protocol that the connection speaks.
        most_qos: The highest quality of service that is asked for.

    Attributes:
        lock: Hold it around every method, together with what decides whether there is a connection.
        changed: Notified when the broker has acknowledged a subscription. Its lock is `lock`.
    """

    def __init__(self, client: paho.Client, version: Literal["5", "3.1.1"], most_qos: int = 1) -> None:
        self._client = client
        self._version = version
        self._most_qos = most_qos
        self._filters: dict[str, tuple[int, bool]] = {}
        self._unanswered: dict[int, tuple[str, ...]] = {}
        self._refused: dict[str, None] = {}
        self._again: threading.Timer | None = None
        self._again_s = AGAIN_S
        self._once = Once()
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        client.on_subscribe = self._on_subscribe

    @property
    def settled(self) -> bool:
        """Whether the broker has answered to all subscriptions that were sent to this connection."""
        return not self._unanswered

    def add(self, topic_filters: Iterable[str], qos: int, as_published: bool, *, now: bool) -> None:
        """Keep subscriptions; `now` sends them to the broker at once."""
        added = dict.fromkeys(topic_filters, (min(qos, self._most_qos), as_published))
        self._filters |= added
        if now:
            self._send(added)

    def remove(self, topic_filters: Iterable[str], *, now: bool) -> None:
        """Forget subscriptions; `now` tells the broker at once."""
        gone = [one for one in topic_filters if self._filters.pop(one, None) is not None]
        if now:
            for some in _packets(gone):
                self._client.unsubscribe(list(some))

    def restore(self) -> None:
        """Send all subscriptions to a new connection."""
        self._unanswered.clear()
        self.close()
        self._send(self._filters)

    def close(self) -> None:
        """Ask no more for what this connection was refused."""
        self._refused.clear()
        self._again_s = AGAIN_S
        if self._again is not None:
            self._again.cancel()
            self._again = None

    def _send(self, topic_filters: Iterable[str]) -> None:
        for some in _packets(topic_filters):
            asked = [(one, *self._filters[one]) for one in some]
            if self._version == "5":
                options = [(one, SubscribeOptions(qos, retainAsPublished=kept)) for one, qos, kept in asked]
                _, number = self._client.subscribe(options)
            else:
                _, number = self._client.subscribe([(one, qos) for one, qos, _ in asked])
            if number is not None:
                self._unanswered[number] = some

    def _on_subscribe(
        self,
        client: paho.Client,  # noqa: ARG002 - paho's signature
        userdata: object,  # noqa: ARG002 - paho calls it so
        number: int,
        reasons: Sequence[ReasonCode],
        properties: Properties | None,  # noqa: ARG002 - paho calls it so
    ) -> None:
        with self.changed:
            answers = list(zip(self._unanswered.pop(number, ()), reasons, strict=False))
            for topic_filter, reason in answers:
                if reason.is_failure:
                    self._ask_again(topic_filter)
            self.changed.notify_all()
        for topic_filter, reason in answers:
            if reason.is_failure and self._once(f"{topic_filter} {reason}"):
                log.error(
                    "the broker refused the subscription to %s: %s; check its access control list (asking "
                    "again, as a cluster may only be choosing a leader)",
                    topic_filter,
                    reason,
                )

    def _ask_again(self, topic_filter: str) -> None:
        """Ask again in a while: a cluster that has lost a member refuses what it grants seconds later."""
        self._refused[topic_filter] = None
        if self._again is None:
            self._again = threading.Timer(self._again_s, self._send_refused)
            self._again.daemon = True
            self._again.start()
            self._again_s = min(2 * self._again_s, LONGEST_S)

    def _send_refused(self) -> None:
        with self.lock:
            if threading.current_thread() is not self._again:
                return  # another connection has come, or nobody wants an answer any more
            refused, self._refused, self._again = self._refused, {}, None
            self._send(one for one in refused if one in self._filters)


def _packets(topic_filters: Iterable[str]) -> Iterable[tuple[str, ...]]:
    """The filters in groups that fit into a packet."""
    left = iter(topic_filters)
    return iter(lambda: tuple(islice(left, TOGETHER)), ())
