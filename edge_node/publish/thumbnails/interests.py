"""Which cameras somebody looks at, as viewers say: a camera that nobody looks at needs no thumbnails."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping

from edge_node.config.settings import EdgeConfig
from shared import limits
from shared.errors import MessageError
from shared.log import Once
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.wire import topics
from shared.wire.messages import Interest, decode, now_us

log = logging.getLogger("darner.publish")


class Interests:
    """What viewers have said, as long as it holds.

    `note` is for one thread; any other may ask meanwhile.

    Args:
        client: The connection.
        prefix: The prefix of the node's topics.
        node: The node's name.
        clock: Monotonic seconds.
        wall_us: The wall clock, microseconds UTC.
    """

    def __init__(
        self,
        client: Client,
        prefix: str,
        node: str,
        clock: Callable[[], float] = time.monotonic,
        wall_us: Callable[[], int] = now_us,
    ) -> None:
        self._client, self._node, self._clock, self._wall_us = client, node, clock, wall_us
        self._filter = topics.INTEREST.path(prefix, node=node, viewer="x").removesuffix("x") + "+"
        self._on_demand: frozenset[str] = frozenset()
        # Replaced as a whole, so that nobody who reads it needs a lock.
        self._said: Mapping[str, tuple[float, frozenset[str] | None]] = {}
        self._crowded_until = -math.inf
        self._once = Once()

    @property
    def wanted(self) -> bool:
        """Whether it makes a difference what viewers say."""
        return bool(self._on_demand)

    def configure(self, config: EdgeConfig) -> None:
        """Use other settings, and listen to viewers only where that makes a difference."""
        cameras = frozenset(name for name, one in config.cameras.items() if one.thumbnail.on_demand)
        if cameras and config.homeassistant.enabled:
            names = ", ".join(sorted(cameras))
            if self._once(names):
                log.warning(
                    "thumbnail.on_demand of %s is not used: Home Assistant shows their pictures and does not "
                    "say who looks; leave it out, or set homeassistant.enabled to false",
                    names,
                )
            cameras = frozenset()
        before, self._on_demand = self._on_demand, cameras
        if cameras and not before:
            self._client.subscribe(self._filter, 1)
        elif before and not cameras:
            self._client.unsubscribe(self._filter)
            self._said = {}

    def nobody_looks(self, camera: str) -> bool:
        """Whether viewers say that nobody looks at a camera whose thumbnails are made on demand."""
        if camera not in self._on_demand:
            return False
        now, heard = self._clock(), False
        if now < self._crowded_until:
            return False
        for until, cameras in self._said.values():
            if until > now:
                if cameras is None or camera in cameras:
                    return False
                heard = True
        return heard

    def handle(self, received: Received) -> None:
        """Note what a viewer says; a message that breaks the contract is logged once for its topic."""
        try:
            self._note(received)
        except MessageError as error:
            if self._once(received.topic):
                log.warning("%r: skipped a message: %s (said once for this topic)", received.topic, error)

    def _note(self, received: Received) -> None:
        viewer, now = received.topic.rpartition("/")[2], self._clock()
        said = {name: one for name, one in self._said.items() if one[0] > now and name != viewer}
        if received.payload:
            message = decode(Interest, received.payload)
            if (message.node, message.viewer) != (self._node, viewer):
                raise MessageError(
                    f"its viewer {message.viewer!r} or node {message.node!r} is not its topic's"
                )
            until = now + self._left_s(message, received)
            if len(said) < limits.INTERESTS:
                said[viewer] = until, None if message.cameras is None else frozenset(message.cameras)
            else:
                self._crowded_until = max(self._crowded_until, until)
                if self._once("crowded"):
                    log.warning(
                        "more than %d viewers say who looks: all thumbnails are made (said once)",
                        limits.INTERESTS,
                    )
        self._said = said

    def _left_s(self, message: Interest, received: Received) -> float:
        """For how many seconds a message still holds; a retained one may be old."""
        if not received.retain:
            return message.holds_s
        if received.expiry_s is not None:  # the broker has counted it down
            return min(message.holds_s, received.expiry_s)
        return message.holds_s - max(0.0, (self._wall_us() - message.published_us) / 1e6)
