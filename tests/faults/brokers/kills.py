"""One broker of several is killed again and again, while the others go on."""

from __future__ import annotations

import json
import random
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import psutil

from shared.wire.picture_names import read_name
from tests.faults.brokers.several import Several
from tests.faults.edge_settings import CAMERAS, NODE
from tests.faults.processes import FaultError, Program, wait_for
from tests.faults.system import System

KILLS, EVERY_S, AWAY_S = 9, 20.0, 8.0
"""Three minutes; a broker that was killed is started again after so long."""
GIVEN_UP_S = 40.0
WORKS_WITHIN_S = 5.0
"""How long a picture, a command and new zones may take once frames and events flow."""


def killed_again_and_again(
    within_s: float,
) -> Callable[[System, random.Random], AbstractContextManager[None]]:
    """The fault that kills the broker with most clients, every 20 s for three minutes.

    Args:
        within_s: How long it may take each time until frames and events flow, and the archive stores more.
    """

    @contextmanager
    def hold(system: System, _: random.Random) -> Iterator[None]:
        brokers = system.broker
        assert isinstance(brokers, Several)
        took = []
        for number in range(KILLS):
            victim = busiest(brokers)
            began = time.time()
            brokers.kill_one(victim)
            wait_for(
                system.flowing_since(began), GIVEN_UP_S, f"frames and events flow after kill {number + 1}"
            )
            took.append(time.time() - began)
            works(system, time.time())
            time.sleep(max(0.0, began + AWAY_S - time.time()))
            victim.start()
            time.sleep(max(0.0, began + EVERY_S - time.time()))
        print(f"  back after {', '.join(f'{one:.1f}' for one in took)} s", file=sys.stderr, flush=True)
        slow = [one for one in took if one > within_s]
        if slow:
            raise FaultError(
                f"{len(slow)} of {KILLS} times, it took over {within_s:.0f} s: {max(slow):.1f} s"
            )
        yield

    return hold


def busiest(brokers: Several) -> Program:
    """The broker that has most clients."""
    return max(brokers.members, key=_clients)


def _clients(member: Program) -> int:
    """Its connections; of a machine with several servers, those to its ports for clients."""
    found = [one for process in member.victims() for one in process.net_connections("tcp")]
    counted = [one for one in found if not isinstance(member, Several) or one.laddr.port in member.ports]
    return sum(one.status == psutil.CONN_ESTABLISHED for one in counted)


def works(system: System, since: float) -> None:
    """Pictures are newer than a moment, a command has an answer, and zones can be saved.

    Raises:
        FaultError: One of them does not work in time.
    """
    for camera in CAMERAS:
        while _pictured_s(system, camera) <= since:
            if time.time() - since > WORKS_WITHIN_S:
                raise FaultError(f"{camera}: no new picture within {WORKS_WITHIN_S:.0f} s")
            time.sleep(0.1)
    heatmap = f"/api/v1/heatmap?node={NODE}&camera={CAMERAS[0]}"
    wait_for(lambda: _ask(system, heatmap) is not None, WORKS_WITHIN_S, "a command has an answer")
    wait_for(lambda: _save_zones(system, CAMERAS[1]), WORKS_WITHIN_S, "new zones are saved")


def _pictured_s(system: System, camera: str) -> float:
    """When the viewer's picture of a camera was taken, as its comment says."""
    name = read_name(_ask(system, f"/api/v1/cameras/{NODE}/{camera}/picture") or b"")
    return 0.0 if name is None else name.captured_us / 1e6


def _save_zones(system: System, camera: str) -> bool:
    """Move a corner of a zone, and save the zones as another version; whether the node has taken them."""
    answer = _ask(system, f"/api/v1/zones/{NODE}/{camera}/versions")
    versions = json.loads(answer)["versions"] if answer else []
    if not versions:
        return False
    body = {name: versions[0][name] for name in ("version", "zones", "lines")}
    corner = min(body["zones"].items())[1]["polygon"][0]
    corner[1] = 0.0 if corner[1] else 0.001
    return _ask(system, f"/api/v1/zones/{NODE}/{camera}", json.dumps(body).encode()) is not None


def _ask(system: System, path: str, body: bytes | None = None) -> bytes | None:
    """What the viewer answers; None unless it is 200."""
    headers = {"Content-Type": "application/json", "Origin": system.viewer.url} if body else {}
    request = urllib.request.Request(system.viewer.url + path, data=body, headers=headers)  # noqa: S310 - our own
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:  # noqa: S310 - our own
            return bytes(answer.read())
    except (OSError, urllib.error.HTTPError):
        return None
