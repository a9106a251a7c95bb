"""Subscriptions that are made again on every new connection."""

from __future__ import annotations

import threading
from typing import Literal

import paho.mqtt.client as paho
from paho.mqtt.subscribeoptions import SubscribeOptions


class Subscriptions:
    """The topic filters of a client.

    Args:
        client: Sends the subscriptions.
        version: The protocol that the connection speaks.

    Attributes:
        lock: Hold it around every method, together with what decides whether there is a connection.
    """

    def __init__(self, client: paho.Client, version: Literal["5", "3.1.1"]) -> None:
        self._client = client
        self._version = version
        self._filters: dict[str, tuple[int, bool]] = {}
        self.lock = threading.Lock()

    def add(self, topic_filter: str, qos: int, as_published: bool, *, now: bool) -> None:
        """Keep a subscription; `now` sends it to the broker at once."""
        self._filters[topic_filter] = (qos, as_published)
        if now:
            self._send(topic_filter)

    def restore(self) -> None:
        """Send all subscriptions to a new connection."""
        for topic_filter in self._filters:
            self._send(topic_filter)

    def _send(self, topic_filter: str) -> None:
        qos, as_published = self._filters[topic_filter]
        if self._version == "5":
            options = SubscribeOptions(qos=qos, retainAsPublished=as_published)
            self._client.subscribe(topic_filter, options=options)
        else:
            self._client.subscribe(topic_filter, qos)
