"""What several endpoints of the API take or give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeVar

from msgspec import Meta

from shared.wire.messages import Id

T = TypeVar("T")

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
class FindQuery:
    """Which nodes or cameras are wanted; all of them by default."""

    find: Annotated[
        str,
        Meta(
            max_length=128,
            description="Words that are all in a camera's name, identifier or status, or those of its node; "
            "of a node, in its own or those of its cameras",
        ),
    ] = ""
    skip: Annotated[int, Meta(ge=0, le=1_000_000, description="How many of those found are left out")] = 0
    limit: Annotated[
        Annotated[int, Meta(ge=1, le=1000)] | None, Meta(description="Maximum number in the answer")
    ] = None

    @property
    def words(self) -> list[str]:
        """What is searched for, in lower case."""
        return self.find.lower().split()

    @property
    def is_all(self) -> bool:
        """Whether everything is wanted."""
        return not self.words and not self.skip and self.limit is None

    def cut(self, found: list[T]) -> list[T]:
        """The part of what was found that is wanted."""
        return found[self.skip : None if self.limit is None else self.skip + self.limit]


@dataclass(frozen=True, kw_only=True)
class CamerasQuery(FindQuery):
    """Which cameras are wanted, of all nodes or of one."""

    node: Id | None = None


@dataclass(frozen=True, kw_only=True)
class ZonesQuery:
    """Of which node, and of which camera of it; all by default."""

    node: Id | None = None
    camera: Id | None = None


@dataclass(frozen=True, kw_only=True)
class CameraQuery:
    """A camera."""

    node: Id
    camera: Id
