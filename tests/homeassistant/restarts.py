"""Twenty ways in which something at a user's home ends and comes back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.conftest import wait_until
from tests.homeassistant.site import CAMERA, NODE, SETTLES_WITHIN_S, ZONES, Site

ALONE_S = 3.0
"""How long one part is back before the next."""


@dataclass(frozen=True, slots=True)
class Restart:
    """One of them.

    Attributes:
        name: What happens.
        down: Ends something, while people are in every zone.
        up: Brings it back, when the place is empty.
        times: How often.
        broker: Whether the broker is gone meanwhile. When it is back, Home Assistant first shows what it or
            the broker remembers. A node that is away cannot help that: one run of each automation is excused.
    """

    name: str
    down: Callable[[Site], None]
    up: Callable[[Site], None]
    times: int = 1
    broker: bool = False


def _terminate(site: Site) -> None:
    site.end_node()


def _node_sees_nobody(site: Site) -> None:
    """Wait until the node, which runs and has a broker, says that all zones are empty."""

    def empty() -> bool:
        said = [site.recorder.last[f"{NODE}/camera/{CAMERA}/zone/{zone}"].body for zone in ZONES]
        return all(body is not None and body["occupancy"] == 0 for body in said)

    wait_until(empty, SETTLES_WITHIN_S)


def _start_server(site: Site) -> None:
    _node_sees_nobody(site)
    site.server.start()


def _forgetful_start(site: Site) -> None:
    site.forget()
    site.broker.start()


def _all(*parts: Callable[[Site], None]) -> Callable[[Site], None]:
    def run(site: Site) -> None:
        for part in parts:
            part(site)

    return run


def _alone(_: Site) -> None:
    time.sleep(ALONE_S)


def _kill_node(site: Site) -> None:
    site.node.kill()


def _start_node(site: Site) -> None:
    site.node.start()


def _kill_server(site: Site) -> None:
    site.server.kill()


def _stop_server(site: Site) -> None:
    site.server.stop()


def _server_alone(site: Site) -> None:
    site.server.start()


def _kill_broker(site: Site) -> None:
    site.broker.kill()


def _start_broker(site: Site) -> None:
    site.broker.start()


_keeps = _all(_alone, _start_broker)
_forgets = _all(_alone, _forgetful_start)
RESTARTS = (
    Restart("node: kill -9", _kill_node, _start_node, 4),
    Restart("node: SIGTERM", _terminate, _start_node, 4),
    Restart("broker, keeps its state", _kill_broker, _keeps, 2, broker=True),
    Restart("broker, forgets", _kill_broker, _forgets, 2, broker=True),
    Restart("Home Assistant: restart", _stop_server, _start_server, 2),
    Restart("Home Assistant: kill -9", _kill_server, _start_server),
    Restart(
        "node and Home Assistant, which is back first",
        _all(_kill_node, _kill_server),
        _all(_server_alone, _start_node),
    ),
    Restart(
        "Home Assistant and node, which is back first",
        _all(_kill_node, _kill_server),
        _all(_start_node, _alone, _server_alone),
    ),
    Restart(
        "broker and node, broker back alone",
        _all(_kill_broker, _kill_node),
        _all(_start_broker, _alone, _start_node),
        broker=True,
    ),
    Restart(
        "node and broker, which forgets",
        _all(_kill_node, _kill_broker),
        _all(_forgetful_start, _alone, _start_node),
        broker=True,
    ),
    Restart(
        "all three at once",
        _all(_kill_server, _kill_node, _kill_broker),
        _all(_start_broker, _server_alone, _start_node),
        broker=True,
    ),
)
