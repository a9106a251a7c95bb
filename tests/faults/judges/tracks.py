"""Which finished tracks were told of, beside the events that say that they ended."""

from __future__ import annotations

from typing import NamedTuple


class Ended(NamedTuple):
    """A track of one run of the node."""

    session: str
    camera: str
    track_id: int


class Tracks:
    """Takes in events and track messages as a subscriber gets them.

    Attributes:
        ended: Tracks whose end an event told.
        told: Tracks that a message of their own told of; True where they left or were lost, so that an event
            must have told of their end, too.
    """

    def __init__(self) -> None:
        self.ended: set[Ended] = set()
        self.told: dict[Ended, bool] = {}

    def event(self, body: dict[str, object]) -> None:
        """Take in an event."""
        if body["type"] == "track_ended":
            self.ended.add(_key(body))

    def track(self, body: dict[str, object]) -> None:
        """Take in a track message."""
        self.told[_key(body)] = body["ended"] in ("left", "lost")

    @property
    def lost(self) -> int:
        """Number of ended tracks of which no message told."""
        return len(self.ended - self.told.keys())

    def problems(self, *, may_lose: bool) -> list[str]:
        """What is wrong, in words.

        Args:
            may_lose: Whether some may have been lost in the broker, or with a node that could not reach it.
        """
        sessions = {one.session for one in self.ended}
        problems = []
        # A node that ends takes with it what waits in its memory.
        if self.lost and not may_lose and len(sessions) == 1:
            problems.append(f"{self.lost} of {len(self.ended)} finished tracks were not told of")
        surplus = {one for one, by_itself in self.told.items() if by_itself} - self.ended
        if surplus and not may_lose:
            problems.append(f"{len(surplus)} tracks told of that no event ended, the first {min(surplus)}")
        return problems


def _key(body: dict[str, object]) -> Ended:
    session, camera, track_id = body["session"], body["camera"], body["track_id"]
    if not (isinstance(session, str) and isinstance(camera, str) and isinstance(track_id, int)):
        raise TypeError("no track")
    return Ended(session, camera, track_id)
