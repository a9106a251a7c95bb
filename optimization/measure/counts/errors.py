"""How far what was counted is from what happened, as numbers, a table and a document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from optimization.measure.counts.shapes import Shapes
from optimization.measure.counts.truth import Counts

_WORST = 10
"""So many shapes are listed when there are more of them."""


@dataclass(slots=True)
class Error:
    """Sums over shapes; they can be added up.

    Attributes:
        truth: How much happened.
        many: How much more was counted where too much was.
        few: How much less was counted where too little was.
    """

    truth: float = 0.0
    many: float = 0.0
    few: float = 0.0

    def add(self, true: float, counted: float) -> None:
        """Add one number of one shape."""
        self.truth += true
        self.many += max(counted - true, 0.0)
        self.few += max(true - counted, 0.0)

    def __iadd__(self, other: Error) -> Error:
        self.truth += other.truth
        self.many += other.many
        self.few += other.few
        return self

    @property
    def percent(self) -> float | None:
        """Sum of absolute differences over the truth, percent; None where nothing happened."""
        return 100 * (self.many + self.few) / self.truth if self.truth else None

    def document(self) -> dict[str, float | None]:
        """The numbers for JSON."""
        percent = None if self.percent is None else round(self.percent, 2)
        return {
            "truth": round(self.truth, 3),
            "too_many": round(self.many, 3),
            "too_few": round(self.few, 3),
            "error_percent": percent,
        }


@dataclass(frozen=True, slots=True)
class Errors:
    """The errors of all shapes: crossings of lines, entries and exits of zones, and their occupancy.

    Occupancy is compared frame by frame, in objects on average.
    """

    crossings: Error
    entries: Error
    exits: Error
    occupancy: Error

    @classmethod
    def none(cls) -> Errors:
        """Nothing compared yet."""
        return cls(Error(), Error(), Error(), Error())

    @classmethod
    def of(cls, truth: Counts, counted: Counts, shapes: Shapes) -> Errors:
        """Compare.

        Args:
            truth: What happened.
            counted: What was counted.
            shapes: Lines and zones of both.
        """
        errors = cls.none()
        for name in shapes.lines:
            for true, found in zip(truth.flows[name], counted.flows[name], strict=True):
                errors.crossings.add(true, found)
        for name in shapes.zones:
            for error, true, found in zip(
                (errors.entries, errors.exits), truth.flows[name], counted.flows[name], strict=True
            ):
                error.add(true, found)
            off = counted.occupancy[name] - truth.occupancy[name]
            errors.occupancy.truth += float(truth.occupancy[name].mean())
            errors.occupancy.many += float(np.maximum(off, 0).mean())
            errors.occupancy.few += float(np.maximum(-off, 0).mean())
        return errors

    def __iadd__(self, other: Errors) -> Errors:
        for mine, theirs in zip(self._all(), other._all(), strict=True):
            mine += theirs
        return self

    def _all(self) -> tuple[Error, Error, Error, Error]:
        return self.crossings, self.entries, self.exits, self.occupancy

    def document(self) -> dict[str, dict[str, float | None]]:
        """The numbers for JSON."""
        names = ("line_crossings", "zone_entries", "zone_exits", "zone_occupancy")
        return {name: error.document() for name, error in zip(names, self._all(), strict=True)}

    def row(self, name: str) -> str:
        """One line of the table below `header`."""
        return f"{name:<40}" + "".join(_cell(error) for error in self._all())


def header() -> str:
    """The first line of the table of errors."""
    columns = ("crossings", "entries", "exits", "occupancy")
    return f"{'error, percent (too many + too few)':<40}" + "".join(f"{name:>22}" for name in columns)


def _cell(error: Error) -> str:
    if error.percent is None:
        return f"{'-':>22}"
    many, few = (round(100 * part / error.truth, 1) for part in (error.many, error.few))
    return f"{f'{error.percent:.1f} ({many:.1f} + {few:.1f})':>22}"


def shapes_document(truth: Counts, counted: Counts, shapes: Shapes) -> dict[str, Any]:
    """What happened and what was counted, shape by shape, for JSON."""
    lines = {
        name: {"truth": _flow(truth, name, "in", "out"), "counted": _flow(counted, name, "in", "out")}
        for name in shapes.lines
    }
    zones = {
        name: {
            side: {**_flow(counts, name, "entered", "exited"), "occupancy": _average(counts, name)}
            for side, counts in (("truth", truth), ("counted", counted))
        }
        | {"occupancy_off_by": round(float(np.abs(_off(truth, counted, name)).mean()), 3)}
        for name in shapes.zones
    }
    return {"lines": lines, "zones": zones}


def table(truth: Counts, counted: Counts, shapes: Shapes) -> Iterable[str]:
    """What happened and what was counted, a line for each shape; of many shapes, those that are most off."""
    names = [*shapes.lines, *shapes.zones]
    off = {name: _difference(truth.flows[name], counted.flows[name]) for name in names}
    if len(names) > _WORST:
        names = sorted(names, key=lambda name: -off[name])[:_WORST]
        yield f"the {_WORST} of {len(off)} lines and zones that are most off:"
    yield f"{'':<24}{'truth in/out':>14}{'counted':>12}{'occupancy':>11}{'counted':>9}"
    for name in names:
        flows = f"{_pair(truth.flows[name]):>14}{_pair(counted.flows[name]):>12}"
        inside = ""
        if name in shapes.zones:
            inside = f"{_average(truth, name):>11.2f}{_average(counted, name):>9.2f}"
        yield f"{name:<24}{flows}{inside}"


def _flow(counts: Counts, name: str, *keys: str) -> dict[str, int]:
    return dict(zip(keys, counts.flows[name], strict=True))


def _average(counts: Counts, name: str) -> float:
    return round(float(counts.occupancy[name].mean()), 3)


def _off(truth: Counts, counted: Counts, name: str) -> Any:
    return counted.occupancy[name] - truth.occupancy[name]


def _difference(a: tuple[int, int], b: tuple[int, int]) -> int:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def _pair(flow: tuple[int, int]) -> str:
    return f"{flow[0]}/{flow[1]}"


def combined(all_of_them: Mapping[str, Errors]) -> Errors:
    """The errors of several sequences as one."""
    total = Errors.none()
    for errors in all_of_them.values():
        total += errors
    return total
