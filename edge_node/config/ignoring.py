"""The settings of what is not to be counted: suspects, and pictures that cannot be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from shared import limits


@dataclass(frozen=True, kw_only=True)
class SuspectSettings:
    """When something that never moves is offered as a mask; nothing is masked without being asked."""

    after_s: Annotated[
        float,
        Meta(
            ge=0,
            le=limits.SECONDS,
            description="Seconds for which it must have been found at one place where no pixel moves; "
            "0 offers nothing",
        ),
    ] = 7200.0


@dataclass(frozen=True, kw_only=True)
class HealthSettings:
    """Whether the camera's picture is checked: covered, moved, out of focus, frozen and so on."""

    enabled: Annotated[bool, Meta(description="Check the picture about once a second")] = True
    pauses: Annotated[
        bool,
        Meta(
            description="Count nothing in zones and at lines while the picture is covered, out_of_focus, "
            "moved, frozen or washed_out"
        ),
    ] = True
