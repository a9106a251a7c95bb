"""Asks the viewer about a node while another one floods it: the answers have to come, in time and right."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from typing import Any

from tests.faults.processes import FaultError, Viewer

WITHIN_S = 5.0


def check_answers(viewer: Viewer, node: str, cameras: Sequence[str]) -> float:
    """Ask for the node's events, counts, cameras and zones, and for its limits; the slowest answer, seconds.

    Raises:
        FaultError: An answer came too late, or lacks something of the node.
    """
    asked = _Asked(viewer)
    events = asked("events", node=node, limit=50)["events"]
    if len(events) < 50 or time.time() - events[0]["occurred_us"] / 1e6 > 10:
        raise FaultError(f"the viewer finds {len(events)} events of {node}, and none of the last 10 s")
    zones = {(one["camera"], one["zone"]): one for one in asked("zones")["zones"] if one["node"] == node}
    latest = next(one for one in events if one["zone"])
    if (latest["camera"], latest["zone"]) not in zones:
        raise FaultError(f"the viewer does not know zone {latest['zone']} of {node}")
    asked("series", node=node, camera=latest["camera"], zone=latest["zone"])
    live = {one["camera"]: one["status"] for one in asked("cameras")["cameras"] if one["node"] == node}
    if {name for name, status in live.items() if status} != set(cameras):
        raise FaultError(f"the viewer shows these cameras of {node}: {live}")
    told = asked("nodes")
    if [one["status"]["status"] for one in told["nodes"] if one["node"] == node] != ["online"]:
        raise FaultError(f"the viewer does not show {node} as online")
    if own := [one["says"] for one in told["limits"] if one["node"] == node]:
        raise FaultError(f"{node} has reached limits: {own}")
    if not told["limits"]:
        raise FaultError("the flood has reached no limit: nothing is shown by this run")
    return asked.slowest_s


class _Asked:
    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self.slowest_s = 0.0

    def __call__(self, what: str, **query: object) -> Any:
        begin = time.monotonic()
        address = f"{self._viewer.url}/api/v1/{what}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(address, timeout=2 * WITHIN_S) as answer:  # noqa: S310 - our own
                found = json.load(answer)
        except (urllib.error.URLError, TimeoutError) as error:
            raise FaultError(f"the viewer did not answer {what}: {error}") from None
        took_s = time.monotonic() - begin
        if took_s > WITHIN_S:
            raise FaultError(f"the viewer took {took_s:.1f} s to answer {what}")
        self.slowest_s = max(self.slowest_s, took_s)
        return found
