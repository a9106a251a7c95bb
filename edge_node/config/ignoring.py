"""The settings of what a camera ignores: the search for suspects."""

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
