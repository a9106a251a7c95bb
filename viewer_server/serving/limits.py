"""What a client may take of the viewer: time, bytes, connections and threads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

LANES = {
    "request": (16, 8),
    "history": (4, 3),
    "download": (4, 2),
    "node": (8, 4),
    "trial": (1, 1),
    "login": (2, 1),
    "health": (1, 1),
}
"""Threads for each kind of request, and how many of them work for one network.

The history has four readers, and a question may take 5 s: nobody's questions take all of them. A download
lasts as long as its client reads, and a node may take half a minute to answer. One password is checked at a
time, so guesses from many networks wait; they would take the threads of all pages while they do. One rule is
tried over the history at a time, because each trial keeps a processor busy for seconds.
"""

HISTORY = ("/events", "/series", "/stays", "/zones")
"""Ends of paths below `/api/v1` that read the history."""
TOLD = 16
"""Websockets above `http.max_browsers`, which are told that there are too many."""
KEPT_FOR_OTHERS = 10
"""One part in so many of `http.max_browsers` is out of reach of a single address."""
MAX_CONNECTIONS = 320
DESCRIPTORS = 960
"""For connections; a websocket takes two. The process has 22 besides, and 2 for each reader of a database.
paho stops connecting when the process has more than 1,024."""


def lane_of(method: str, path: str) -> str:
    """The kind of a request, by which it gets its threads; the path may begin with a proxy's prefix."""
    if path.endswith(("/health", "/ready")) and method in ("GET", "HEAD"):
        return "health"
    if path.endswith("/login") and method == "POST":
        return "login"
    if path.endswith("/replay") and method == "POST":
        return "trial"
    if path.endswith((".csv", ".ndjson")):
        return "download"
    if "/api/v1/" in path and path.endswith(HISTORY) and method in ("GET", "HEAD"):
        return "history"
    if (
        "/api/v1/label/" not in path
        and "/api/v1/" in path
        and (method == "POST" or path.endswith("/heatmap"))
    ):
        return "node"
    return "request"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a client may take. Times are seconds.

    Attributes:
        head_s: For a request's head, from the first byte to the last.
        body_s: For its body.
        idle_s: Between two requests.
        leave_s: To read what it was told at the end.
        grace_s: To begin to read an answer.
        least_rate: Bytes of the answer that it must take in a second after that.
        body: Bytes of a body.
        bodies: Bytes of all bodies that are on their way.
        connections: Connections besides websockets.
        each: Of these, connections of one network.
        lanes: Threads for each kind of request, and how many of these for one network.
        browsers: Websockets.
        browsers_each: Of these, websockets of one network.
    """

    head_s: float = 10.0
    body_s: float = 30.0
    idle_s: float = 5.0
    leave_s: float = 2.0
    grace_s: float = 10.0
    least_rate: float = 16 * 1024
    body: int = 1_048_576
    bodies: int = 16 * 1_048_576
    connections: int
    each: int
    lanes: Mapping[str, tuple[int, int]] = field(default_factory=lambda: LANES)
    browsers: int
    browsers_each: int


def limits_for(browsers: int) -> Limits:
    """The limits of a viewer with this `http.max_browsers`."""
    kept = browsers // KEPT_FOR_OTHERS
    connections = min(MAX_CONNECTIONS, DESCRIPTORS - 2 * (browsers + TOLD))
    return Limits(
        browsers=browsers + TOLD,
        browsers_each=browsers - kept if kept else browsers + TOLD,
        connections=connections,
        each=connections * 2 // 5,
    )
