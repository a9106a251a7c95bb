"""What several endpoints of the API take or give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from shared.wire.messages import Id

Moment = Annotated[int, Meta(ge=0, le=2**53 - 1, description="Microseconds since 1970 UTC")]

TrackNumber = Annotated[str, Meta(pattern="^[0-9]{1,15}$", description="Number, 1 to 15 digits")]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str


@dataclass(frozen=True, kw_only=True)
class Nothing:
    """No parameters."""


@dataclass(frozen=True, kw_only=True)
class LoginInfo:
    """Whether the viewer asks for a login."""

    login_required: bool
    version: str


@dataclass(frozen=True, kw_only=True)
class CameraQuery:
    """A camera."""

    node: Id
    camera: Id
