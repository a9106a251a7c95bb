"""What handles the messages that come to an edge node, built on the node's other parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge_node.config.saved.cameras import CameraStore
from edge_node.config.settings import EdgeConfig
from edge_node.control.cameras import CameraCommands
from edge_node.control.commands import Commands, Handler
from edge_node.control.handlers import Control
from edge_node.control.identity import NameGuard
from edge_node.control.inbox import Inbox
from edge_node.control.leftovers import Leftovers
from edge_node.control.reload import Reload
from edge_node.parts import Parts
from shared.errors import BrokerError
from shared.mqtt.received import Received
from shared.service.watchdog import Stage
from shared.wire import messages, topics


class Incoming:
    """Commands, reloading, what earlier runs left, and the inbox that hands out the messages.

    Args:
        parts: The node's other parts, entered.
        read: Reads the configuration again.
        config: The configuration to start with.
        store: The cameras that were saved over MQTT; None: cameras cannot be changed.
        on_refused: Called when another node refuses this one.
        start_again: Called when the node has to start again, because its cameras have changed.
    """

    def __init__(
        self,
        parts: Parts,
        read: Callable[[], EdgeConfig],
        config: EdgeConfig,
        store: CameraStore | None,
        on_refused: Callable[[BrokerError], None],
        start_again: Callable[[], None],
    ) -> None:
        self._parts, self._config = parts, config
        client, prefix, session = parts.client, config.mqtt.prefix, parts.session
        self.reload = self._reloading(read)
        self.guard = NameGuard(client, prefix, config.node, session, on_refused)
        self.leftovers = Leftovers(
            client,
            prefix,
            config.node,
            session,
            parts.definitions,
            has_calendar=lambda: parts.calendar.now.version > 0,
        )
        self.cameras = CameraCommands(config, store, read, self.reload.apply, self._tell_cameras, start_again)
        self.commands = Commands(client, prefix, config.node, session, self._handlers())
        routes = {
            topics.REQUEST: self.leftovers.before(self.commands.accept),
            topics.ACK: parts.outbox.handle,
            topics.INTEREST: parts.publisher.interests.handle,
            topics.STATUS: self.guard.handle,
            topics.RESPONSE: self.guard.handle,
            **dict.fromkeys((*topics.OF_CAMERAS, topics.CALENDAR, topics.MODE), self.leftovers.handle),
        }
        self.inbox = Inbox(client, prefix, config.node, routes, self._elsewhere)

    def stages(self) -> list[Stage]:
        """What a watchdog can look at here."""
        return [
            Stage("inbox", self.inbox.look),
            Stage("commands", self.commands.look),
            Stage("detect", self.commands.look_at_slow),
            Stage("cameras", self.commands.look_at_outward),
        ]

    def _reloading(self, read: Callable[[], EdgeConfig]) -> Reload:
        parts = self._parts
        return Reload(
            read,
            self._config,
            parts.detectors[0].class_names,
            parts.live,
            parts.definitions,
            parts.suspects,
            parts.pipeline,
            parts.publisher,
            parts.homeassistant,
            parts.model_files.renew,
            parts.collector,
            parts.mirror,
            parts.rules,
            parts.scenes,
            parts.calendar,
            parts.health,
        )

    def _handlers(self) -> dict[str, Handler]:
        """The handler of each command."""
        parts, config = self._parts, self._config
        answer = topics.RESPONSE.path(config.mqtt.prefix, node=config.node, command="snapshot")
        control = Control(
            parts.pipeline,
            parts.publisher,
            parts.detectors[0],
            parts.live,
            parts.definitions,
            parts.suspects,
            self.reload.announce_zones,
            lambda: parts.client.room(answer),
            parts.calendar.again,
            lambda: parts.calendar.now.calendar.schedules,
            parts.health,
        )
        handlers = {
            **control.handlers(),
            **self.cameras.handlers(),
            **parts.calendar.handlers(),
            **parts.rules.handlers(),
            "reload": self.reload.command,
        }
        handlers["ping"] = self.guard.watched(handlers["ping"])
        return handlers

    def _tell_cameras(self, fields: dict[str, Any]) -> None:
        message = messages.Cameras(**self._parts.composer.head(), **fields)
        self._parts.retain(topics.CAMERAS, messages.encode(message))

    def _elsewhere(self, received: Received) -> None:
        """Take a message whose topic is not in the table."""
        self._parts.homeassistant.handle(received)
        self._parts.mirror.handle(received)
