"""The settings of a camera's tiles: parts of the picture that go through the network by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from shared import limits

_SWEEP_S = 10.0
_OVERLAP = 0.2


@dataclass(frozen=True, kw_only=True)
class TileSettings:
    """Parts of the picture that the network looks at by themselves, so that it sees small objects.

    With columns and rows it looks at every tile of a grid in every frame. With runs it looks at as many parts
    of a frame, and chooses them itself.
    """

    columns: Annotated[
        Annotated[int, Meta(ge=1, le=16)] | None,
        Meta(description="Tiles of a fixed grid across the picture; null: no grid"),
    ] = None
    rows: Annotated[
        Annotated[int, Meta(ge=1, le=16)] | None,
        Meta(description="Tiles of a fixed grid down the picture; null: 1 if columns is set"),
    ] = None
    overlap: Annotated[
        Annotated[float, Meta(ge=0, le=0.5)] | None,
        Meta(
            description="Share of a grid's tile that its neighbour shows, too, across and down; an object "
            "that is smaller than that is whole in one of them. null: 0.2"
        ),
    ] = None
    whole: Annotated[
        bool | None,
        Meta(
            description="Whether the network also looks at the whole picture in every frame, beside the "
            "tiles of a grid: large objects do not fit into a tile. null: it does"
        ),
    ] = None
    runs: Annotated[
        Annotated[int, Meta(ge=1, le=32)] | None,
        Meta(
            description="Most parts of a frame that the network looks at, where it chooses them itself; "
            "null: as many as it keeps up with, 1 to 8 (4 for a video that is read as fast as possible)"
        ),
    ] = None
    sweep_s: Annotated[
        Annotated[float, Meta(ge=1, le=3600)] | None,
        Meta(
            description="Longest time until the network, choosing itself, has looked at every part of the "
            "picture, in seconds; null: 10"
        ),
    ] = None

    def __post_init__(self) -> None:
        if not self.fixed:
            for key in ("overlap", "whole"):
                if getattr(self, key) is not None:
                    raise ValueError(
                        f"{key} belongs to a fixed grid: set columns and rows as well, or leave out {key}"
                    )
            return
        for key in ("runs", "sweep_s"):
            if getattr(self, key) is not None:
                raise ValueError(
                    f"{key} is for tiles that the network chooses itself, columns and rows for a fixed grid: "
                    f"leave out {key}, or both columns and rows"
                )
        if self.pictures > limits.LOOKS:
            raise ValueError(
                f"{self.across} columns and {self.down} rows{' and the whole picture' * self.with_whole} are "
                f"{self.pictures} runs of the network for each frame: choose at most {limits.LOOKS}"
            )

    @property
    def fixed(self) -> bool:
        """Whether the tiles are those of a grid."""
        return self.columns is not None or self.rows is not None

    @property
    def across(self) -> int:
        """Columns of the grid."""
        return self.columns or 1

    @property
    def down(self) -> int:
        """Rows of the grid."""
        return self.rows or 1

    @property
    def shared(self) -> float:
        """Share of a grid's tile that its neighbour shows, too."""
        return _OVERLAP if self.overlap is None else self.overlap

    @property
    def with_whole(self) -> bool:
        """Whether the network looks at the whole picture beside the grid."""
        return self.whole is not False

    @property
    def pictures(self) -> int:
        """Runs of the network for a frame with this grid."""
        return self.across * self.down + self.with_whole

    @property
    def within_s(self) -> float:
        """Longest time until every part of the picture was looked at, seconds."""
        return _SWEEP_S if self.sweep_s is None else self.sweep_s


Tiles = TileSettings | Literal["auto"] | None
"""What the key `tiles` holds."""


def chosen(tiles: Tiles) -> TileSettings | None:
    """The settings that `tiles` means; None: the network looks at the whole picture only."""
    return TileSettings() if tiles == "auto" else tiles
