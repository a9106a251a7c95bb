"""Whether a subscriber that keeps the rules of docs/reference/wire.md ever takes a dead number for live."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.errors import MessageError
from shared.wire import messages, topics
from shared.wire.messages import CameraStatus, CountState, NodeStatus, ZoneState

HEEDED = (topics.STATUS, topics.CAMERA_STATUS, topics.ZONE, topics.COUNT)
"""The topics to subscribe to."""


@dataclass
class _Camera:
    status: CameraStatus | None = None
    numbers: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Session and number of objects, by topic."""


class Truth:
    """Takes in what a node retains, in the order in which it comes.

    Attributes:
        problems: Numbers that seemed to be live and were not, in words; at most ten.
        believed: How often a camera became live.
    """

    def __init__(self, prefix: str = topics.DEFAULT_PREFIX) -> None:
        self._prefix = prefix
        self._online: NodeStatus | None = None
        self._cameras: dict[str, _Camera] = {}
        self._live: set[str] = set()
        self.problems: list[str] = []
        self.believed = 0

    def forget(self) -> None:
        """Begin anew: after a reconnect, a broker hands out what it retains in any order."""
        self._online = None
        self._cameras.clear()
        self._live.clear()

    def take(self, path: str, payload: bytes) -> None:
        """Take in one message; what breaks the contract is ignored, as by every reader."""
        found = topics.match(self._prefix, path)
        if found is None or found[0] not in HEEDED:
            return
        row, ids = found
        try:
            message = messages.decode(row.payload, payload) if payload else None  # type: ignore[arg-type]  # no JPEG
        except MessageError:
            return
        if isinstance(message, NodeStatus):
            self._status(message)
        elif row is not topics.STATUS:
            camera = self._cameras.setdefault(ids["camera"], _Camera())
            if isinstance(message, CameraStatus):
                camera.status = message
            elif isinstance(message, ZoneState):
                camera.numbers[path] = message.session, message.occupancy
            elif isinstance(message, CountState):
                camera.numbers[path] = message.session, message.total
            elif row is topics.CAMERA_STATUS:
                camera.status = None
            else:
                camera.numbers.pop(path, None)
        for name, camera in self._cameras.items():
            self._look(name, camera)

    def _status(self, message: NodeStatus) -> None:
        self._online = message if message.status == "online" else None
        if self._online is not None or message.reason is not None:
            return
        for camera in self._cameras.values():  # a farewell gives no reason
            for path, (session, number) in camera.numbers.items():
                if number and session == message.session:
                    self._note(f"{path}: {number} objects are left after the farewell")

    def _look(self, name: str, camera: _Camera) -> None:
        online, status = self._online, camera.status
        if online is None or status is None or status.status not in ("streaming", "paused"):
            self._live.discard(name)
            return
        if name not in self._live:
            self._live.add(name)
            self.believed += 1
        if _is_older(status.session, online.session):
            self._note(f"camera {name}: it seems to be {status.status} by session {status.session}")
        for path, (session, number) in camera.numbers.items():
            if _is_older(session, online.session):
                self._note(f"{path}: {number} objects of session {session} seem to be live")

    def _note(self, problem: str) -> None:
        if problem not in self.problems and len(self.problems) < 10:
            self.problems.append(problem)


def _is_older(session: str, than: str) -> bool:
    """Whether a session began earlier: identifiers of sessions begin with their time."""
    return session != than and session < than
