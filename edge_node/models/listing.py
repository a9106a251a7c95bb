"""The table of known models as people and programs see it: how good, how fast, and where each one is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edge_node.assets.download import DownloadError, recorded
from edge_node.assets.known import KnownModel
from edge_node.assets.models import KNOWN, path_of
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.model_settings import ModelSettings
from edge_node.models.auto import Choice, choose, relative
from edge_node.models.speeds import Speeds
from shared.errors import DarnerError
from shared.files import is_readable

Where = Literal["built in", "cache", "download", "conversion"]
Trust = Literal["pinned", "first use", "by hand"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One model of the list.

    Attributes:
        name: In the configuration.
        title: Its authors' name for it.
        ap: COCO's average precision by its authors, percent.
        side: Longer side of its input, pixels.
        ms: Milliseconds for a frame on this machine; None where it was not measured here.
        times: Its time as a multiple of the built-in model's; None if nobody knows.
        times_by: What `times` is from.
        code: Licence of its code (SPDX).
        weights: Licence of its weights.
        where: Where it is: built in, in the cache, one command away, or to be converted.
        trust: What the file's hash was compared with; None where there is no file.
        path: Its file, which may not be there yet.
        url: Where it is fetched from.
        sha256: The hash that the download must have; None: it is trusted on first use.
        auto: Whether `model.name: auto` takes it.
        error: Why its time could not be measured.
    """

    name: str
    title: str
    ap: float
    side: int
    ms: float | None
    times: float | None
    times_by: Literal["measurement", "FLOPs"]
    code: str
    weights: str
    where: Where
    trust: Trust | None
    path: str
    url: str | None
    sha256: str | None
    auto: bool
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The whole list, best model last, and why `auto` takes the one it takes."""

    models: tuple[Row, ...]
    auto: str
    reason: str
    passed: tuple[str, ...]


def listing(
    settings: ModelSettings,
    cameras: Mapping[str, CameraSettings],
    speeds: Speeds | None = None,
    *,
    measure: bool = False,
) -> Listing:
    """List the models.

    Args:
        settings: Engine and options that a node would have.
        cameras: Its cameras.
        speeds: What is remembered; None for the file in the cache.
        measure: Whether to measure every model that is here anew.
    """
    speeds = speeds or Speeds()
    errors = _measure(settings, speeds) if measure else {}
    choice = choose(settings, cameras, speeds, measure=False)
    rows = [_row(known, settings, speeds, choice, errors.get(known.name)) for known in KNOWN.values()]
    return Listing(
        models=tuple(sorted(rows, key=lambda row: row.ap)),
        auto=choice.known.name,
        reason=choice.reason,
        passed=tuple(_with_error(reason, errors) for reason in choice.passed),
    )


def text(found: Listing, command: str) -> str:
    """The list for people.

    Args:
        found: The list.
        command: How the user calls `darner-edge models`.
    """
    head = ("", "name", "AP", "input", "time", "licence", "where")
    lines = [head, *(_cells(row, command) for row in found.models)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join(
        [
            *table,
            "",
            f"model.name: auto takes {found.auto}, {found.reason}.",
            *(f"  {reason}" for reason in found.passed),
            "AP is COCO's average precision as the authors give it. Times in ms were measured here. The",
            'others are multiples of the built-in model\'s on a CPU: "~" is an estimate from FLOPs, and "?"',
            "means that nobody knows.",
        ]
    )


def _measure(settings: ModelSettings, speeds: Speeds) -> dict[str, str]:
    """Measure what is here; the errors by name."""
    errors = {}
    for known in KNOWN.values():
        if is_readable(path_of(known)):
            try:
                speeds.measured(known, settings, again=True)
            except DarnerError as error:
                errors[known.name] = str(error)
    return errors


def _with_error(reason: str, errors: Mapping[str, str]) -> str:
    name = reason.split(" ", 1)[0]
    return f"{name} does not run here: {errors[name]}" if name in errors else reason


def _row(
    known: KnownModel, settings: ModelSettings, speeds: Speeds, choice: Choice, error: str | None
) -> Row:
    path, times = path_of(known), relative(known)
    there = is_readable(path)
    speed = speeds.of(known, settings) if there else None
    return Row(
        name=known.name,
        title=known.title,
        ap=known.ap,
        side=known.side,
        ms=None if speed is None else speed.ms,
        times=None if times is None else round(times, 2),
        times_by="FLOPs" if known.cost is None else "measurement",
        code=known.code.name,
        weights=known.weights.name,
        where=_where(known, there=there),
        trust=_trust(known) if there and not known.built_in else None,
        path=str(path),
        url=known.download.url if known.download else None,
        sha256=known.download.sha256 if known.download else None,
        auto=choice.known.name == known.name,
        error=error,
    )


def _where(known: KnownModel, *, there: bool) -> Where:
    if known.built_in:
        return "built in"
    if there:
        return "cache"
    return "download" if known.download else "conversion"


def _trust(known: KnownModel) -> Trust:
    try:
        found = recorded(path_of(known))
    except DownloadError:
        found = None
    if found is None:
        return "by hand"
    pinned = known.download is not None and known.download.sha256 == found
    return "pinned" if pinned else "first use"


def _cells(row: Row, command: str) -> tuple[str, ...]:
    licences = dict.fromkeys((row.code, row.weights))
    return (
        "*" if row.auto else " ",
        row.name,
        f"{row.ap:.1f}",
        str(row.side),
        _time(row),
        ", ".join(licences),
        _place(row, command),
    )


def _time(row: Row) -> str:
    if row.error is not None:
        return "does not run"
    if row.ms is not None:
        return f"{row.ms:.1f} ms"
    if row.times is None:
        return "?"
    return f"{'~' if row.times_by == 'FLOPs' else ''}x{row.times:.1f}"


def _place(row: Row, command: str) -> str:
    if row.error is not None:
        return row.error
    if row.where == "download":
        return f"{command} get {row.name}"
    if row.where == "conversion":
        return f"to be converted: {command} get {row.name} says how"
    return row.where if row.trust is None else f"in the cache ({row.trust})"
