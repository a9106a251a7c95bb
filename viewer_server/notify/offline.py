"""Alerts of nodes that are offline, by the nodes' own rules: only a viewer can notice that a node is gone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import orjson

from shared import typed
from shared.errors import DarnerError
from shared.rules.engine import Engine
from shared.rules.scene import Firing, Scene, Times
from shared.wire.messages import NodeStatus, Rules
from viewer_server.live import updates
from viewer_server.live.hub import Hub
from viewer_server.notify.alert import KeptAlert

log = logging.getLogger("darner.notify")

SETTLES_US = 5_000_000
"""How long after the broker was connected nothing is concluded: what it retains has yet to come."""
SetDown = Callable[[str, int, int], int]
"""Given a node, when its message "offline" was made, and now: since when it is offline."""
Surroundings = Callable[[str], tuple[str | None, Times]]
"""What people call a node, and its calendar and mode."""


@dataclass
class _Watch:
    """A node with rules about being offline, since it was first seen to be that."""

    engine: Engine
    rules: bytes
    since_us: int | None = None


class Offline:
    """Looks at the nodes that are offline; an outage makes one alert of each rule, also over restarts.

    Args:
        hub: Knows the nodes, and their rules.
        connected: Whether the broker is connected.
        surroundings: Says more about a node.
    """

    def __init__(self, hub: Hub, connected: Callable[[], bool], surroundings: Surroundings) -> None:
        self._hub, self._connected, self._surroundings = hub, connected, surroundings
        self._watches: dict[str, _Watch] = {}
        self._connected_us: int | None = None

    def look(self, now_us: int, set_down: SetDown, ended: Callable[[str], None]) -> list[KeptAlert]:
        """The alerts that have become due.

        Args:
            now_us: Now.
            set_down: Keeps an outage, and says when it began.
            ended: Forgets an outage.
        """
        if not self._connected():
            self._connected_us = None
            return []
        self._connected_us = now_us if self._connected_us is None else self._connected_us
        if now_us - self._connected_us < SETTLES_US:
            return []
        online = self._hub.online()
        found: list[KeptAlert] = []
        for node, is_online in online.items():
            try:
                if is_online:
                    self._back(node, now_us, ended)
                else:
                    found += self._gone(node, now_us, set_down)
            except (msgspec.DecodeError, DarnerError) as error:
                log.debug("node %s: its rules cannot be used: %s", node, error)
        for node in self._watches.keys() - online.keys():
            del self._watches[node]
        return found

    def _back(self, node: str, now_us: int, ended: Callable[[str], None]) -> None:
        watch = self._watches.get(node)
        if watch is not None and watch.since_us is not None:
            watch.engine.online(now_us)
            watch.since_us = None
            ended(node)

    def _gone(self, node: str, now_us: int, set_down: SetDown) -> list[KeptAlert]:
        said = self._hub.entry("rules", node)
        if said is None:
            return []
        watch = self._watches.get(node)
        if watch is None or watch.rules is not said:
            rules = typed.convert(_message(said), Rules).rules
            if not any(rule.when.trigger == "offline" and rule.enabled for rule in rules.values()):
                self._watches.pop(node, None)
                return []
            name, times = self._surroundings(node)
            watch = self._watches[node] = _Watch(Engine(rules, Scene(node=node, node_name=name), times), said)
        firings = []
        if watch.since_us is None:
            status = self._hub.entry("status", node)
            if status is None:  # known by its cameras alone
                return []
            told_us = typed.convert(_message(status), NodeStatus).published_us
            watch.since_us = set_down(node, told_us, now_us)
            _, times = self._surroundings(node)  # since the outage before, mode and calendar may be others
            watch.engine.change_times(times, watch.since_us)
            firings = watch.engine.offline(watch.since_us)
        firings += watch.engine.advance(now_us, seen=False)
        return [_alert(node, watch.since_us, firing) for firing in firings]


def _message(entry: bytes) -> object:
    return orjson.loads(updates.content(entry))["message"]


def _alert(node: str, since_us: int, firing: Firing) -> KeptAlert:
    alert = firing.alert
    return KeptAlert(
        event_id=f"VIEWER-{node}-{firing.rule}-{since_us}",
        node=node,
        rule=firing.rule,
        severity=alert.severity,
        text=alert.text,
        trigger=alert.trigger,
        occurred_us=firing.occurred_us,
        name=alert.name,
        value=alert.value,
        notify=alert.notify,
    )
