"""Tells nodes how far the archive is: one voice for all workers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from shared.mqtt.client import Client
from shared.wire import topics
from shared.wire.messages import Ack, encode, now_us
from viewer_server.archive.marks import Mark


class Acks:
    """Publishes acknowledgements, retained, over the connection of the worker that leads.

    Args:
        client: The connection.
        prefix: The topics' prefix.
        archive: The archive's name.
        most: How many nodes are acknowledged again after the connection was lost.

    Attributes:
        session: The session of the archive, which all its workers have in common.
    """

    def __init__(self, client: Client, prefix: str, archive: str, most: int) -> None:
        self._client, self._prefix, self._archive, self._most = client, prefix, archive, most
        self._said: OrderedDict[str, None] = OrderedDict()
        self.session = ""

    def say(self, marks: Iterable[Mark]) -> None:
        """Publish marks now, or as soon as there is a connection."""
        for node, boot, number in marks:
            path = topics.ACK.path(self._prefix, node=node, archive=self._archive)
            ack = Ack(
                node=node,
                session=self.session,
                published_us=now_us(),
                boot=boot,
                number=number,
                archive=self._archive,
            )
            self._client.set_state(topics.ACK, path, encode(ack))
            self._said[path] = None
            self._said.move_to_end(path)
            if len(self._said) > self._most:  # the broker keeps what it was told
                self._client.forget_state(self._said.popitem(last=False)[0])

    def be_silent(self) -> None:
        """Say nothing again after a reconnect: another worker speaks for the archive now."""
        while self._said:
            self._client.forget_state(self._said.popitem()[0])
