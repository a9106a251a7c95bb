"""Which zones and lines of a camera count nothing at a moment, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.wire.messages import PauseReason


@dataclass(frozen=True, slots=True)
class Paused:
    """What is paused, and why.

    Attributes:
        every: Why all zones and lines are paused that are not in `places`; None: they count.
        places: Why others are, by name of the zone or line. Names that the camera does not have do nothing.
    """

    every: PauseReason | None = None
    places: Mapping[str, PauseReason] = field(default_factory=dict)

    def why(self, place: str) -> PauseReason | None:
        """Why a zone or line is paused; None: it counts."""
        return self.places.get(place, self.every)

    @property
    def untrusted(self) -> bool:
        """Whether the picture itself cannot be trusted, so that nothing in it counts anywhere."""
        return self.every not in (None, "schedule")

    def over(self, other: Paused) -> Paused:
        """What is paused by either; the reasons of this one win."""
        if self.every is not None:
            return self
        return Paused(other.every, {**other.places, **self.places})


NOTHING = Paused()
