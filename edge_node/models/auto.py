"""`model.name: auto`: the best model in the cache that is fast enough here, else the built-in one.

Nothing is downloaded. Without a better model in the cache nothing is measured either.
"""

from __future__ import annotations

import logging
import os
import shlex
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from edge_node.assets.known import KnownModel
from edge_node.assets.models import AUTO, DEFAULT, KNOWN, find_model, path_of
from edge_node.assets.names import COCO
from edge_node.config import tile_settings
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.model_settings import ModelSettings
from edge_node.models.speeds import Speed, Speeds
from shared.errors import DarnerError
from shared.files import is_readable
from shared.program import called

log = logging.getLogger("darner.models")

ASSUMED_FPS = 10.0
"""Frames a second that a camera without `max_fps` counts for: enough to follow people and vehicles."""
BUSY = 0.7
"""Share of its time for which the network may be busy; the rest is for decoding, tracking and peaks."""
FREE_RUNS = 2
"""Runs that a frame counts for where its tiles have no fixed number: the whole picture, and one part."""
PER_FLOP = 1.4
"""Time of a FLOP in other networks, relative to the built-in one: the median of seven, from 1.0 to 2.6."""
MEASURE_S = 60.0
"""Seconds after which no further model is measured at a start."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What `auto` has chosen.

    Attributes:
        known: The model.
        reason: Why it is this one, as the end of a sentence.
        passed: Why each better model in the cache is not used.
    """

    known: KnownModel
    reason: str
    passed: tuple[str, ...] = ()


def chosen(
    settings: ModelSettings, cameras: Mapping[str, CameraSettings], speeds: Speeds | None = None
) -> ModelSettings:
    """The settings with a model's name in the place of "auto"; the log says which, and why.

    Args:
        settings: As configured.
        cameras: The cameras that one process watches.
        speeds: What is remembered; None for the file in the cache.
    """
    if settings.name != AUTO:
        return settings
    choice = choose(settings, cameras, speeds)
    log.info("model auto: %s (AP %.1f), %s", choice.known.name, choice.known.ap, choice.reason)
    for reason in choice.passed:
        log.info("model auto: %s", reason)
    return replace(settings, name=choice.known.name)


def choose(
    settings: ModelSettings,
    cameras: Mapping[str, CameraSettings],
    speeds: Speeds | None = None,
    *,
    measure: bool = True,
    clock: Callable[[], float] = time.monotonic,
) -> Choice:
    """Choose a model; see the top of this file.

    Args:
        settings: The engine and its options.
        cameras: The cameras that the machine must keep up with.
        speeds: What is remembered; None for the file in the cache.
        measure: Whether to measure what is not remembered; else that is not chosen.
        clock: Seconds.
    """
    built_in = KNOWN[DEFAULT]
    if (why := _why_built_in(settings)) is not None:
        return Choice(known=built_in, reason=f"the built-in model, because {why}")
    better = [known for known in here() if known.ap > built_in.ap]
    if not better:
        return Choice(known=built_in, reason="the built-in model, because no better one is in the cache")
    speeds = speeds or Speeds()
    limit, started, passed = limit_ms(cameras), clock(), []
    for known in sorted(better, key=lambda one: -one.ap):
        try:
            find_model(known.name)  # which compares it with the hash that it had when it was downloaded
            may_measure = measure and clock() - started < MEASURE_S
            speed = speeds.measured(known, settings) if may_measure else speeds.of(known, settings)
        except DarnerError as error:
            passed.append(f"{known.name} does not run here: {error}")
            continue
        if speed is None:
            passed.append(f"{known.name} was not measured yet")
        elif speed.ms > limit * parallel(settings, speed):
            passed.append(f"{known.name} takes {speed.ms:.0f} ms for a run, and {_wanted(cameras)}")
        else:
            return Choice(known=known, reason=_best(speed, cameras), passed=tuple(passed))
    return Choice(
        known=built_in,
        reason="the built-in model, because none of the better ones suits",
        passed=tuple(passed),
    )


def here() -> list[KnownModel]:
    """The known models whose files are on this machine."""
    return [known for known in KNOWN.values() if is_readable(path_of(known))]


def runs_per_second(cameras: Iterable[CameraSettings]) -> float:
    """How often a second the network has to run for all of these cameras."""
    return sum(
        (camera.max_fps or ASSUMED_FPS) / camera.detect_every * _runs_per_frame(camera) for camera in cameras
    )


def _runs_per_frame(camera: CameraSettings) -> int:
    tiles = tile_settings.chosen(camera.tiles)
    if tiles is None:
        return 1
    return tiles.pictures if tiles.fixed else tiles.runs or FREE_RUNS


def limit_ms(cameras: Mapping[str, CameraSettings]) -> float:
    """Most milliseconds that a frame may take; without cameras, as for one."""
    return BUSY * 1e3 / (runs_per_second(cameras.values()) or ASSUMED_FPS)


def parallel(settings: ModelSettings, speed: Speed) -> int:
    """How many frames the devices work on at once; on a CPU they share its cores, so one."""
    return 1 if speed.device == "cpu" else max(1, len(settings.devices))


def suggest(settings: ModelSettings, run_s: float, cameras: Mapping[str, CameraSettings]) -> None:
    """Say in the log what one command would give, if it would give something.

    Args:
        settings: With the name of the model that runs.
        run_s: Seconds that it takes for a frame here.
        cameras: The cameras.
    """
    if _why_built_in(settings) is not None:
        return
    current = KNOWN[settings.name]
    better = offer(current, run_s * 1e3, cameras)
    if better is None:
        return
    log.info(
        "model auto: `%s%s models get %s` and a restart would give AP %.1f instead of %.1f, "
        "in an estimated %.0f ms for a run instead of %.0f",
        _cache(),
        called("darner-edge", "edge_node"),
        better.name,
        better.ap,
        current.ap,
        run_s * 1e3 * (relative(better) or 0) / (relative(current) or 1),
        run_s * 1e3,
    )


def _cache() -> str:
    """What puts a command of another shell into this node's cache, such as that of a service."""
    folder = os.environ.get("DARNER_CACHE")
    return f"DARNER_CACHE={shlex.quote(folder)} " if folder else ""


def offer(current: KnownModel, ms: float, cameras: Mapping[str, CameraSettings]) -> KnownModel | None:
    """The best model that one command away would be better and still fast enough, as far as FLOPs tell.

    Args:
        current: The model that runs.
        ms: Milliseconds that it takes for a frame here.
        cameras: The cameras.
    """
    limit, now = limit_ms(cameras), relative(current)
    fitting = [
        known
        for known in KNOWN.values()
        if known.download is not None
        and known.ap > current.ap
        and not is_readable(path_of(known))
        and (cost := relative(known)) is not None
        and now is not None
        and ms * cost / now <= limit
    ]
    return max(fitting, key=lambda known: known.ap, default=None)


def relative(known: KnownModel) -> float | None:
    """A model's time as a multiple of the built-in model's: measured, else by FLOPs; None if nobody knows."""
    base = KNOWN[DEFAULT].gflops
    if known.cost is not None:
        return known.cost
    return None if known.gflops is None or base is None else PER_FLOP * known.gflops / base


def _why_built_in(settings: ModelSettings) -> str | None:
    """Why no other known model than the built-in one can be chosen under these settings; None if one can."""
    if settings.backend not in ("auto", "onnxruntime"):
        return f"auto compares models in ONNX Runtime only, and model.backend is {settings.backend}"
    if settings.labels and settings.labels != ("coco",):
        return "model.labels names the classes of another network"
    missing = [name for name in settings.classes if name not in COCO]
    return f"no known model has the class {missing[0]!r}, which model.classes wants" if missing else None


def _wanted(cameras: Mapping[str, CameraSettings]) -> str:
    count, runs = max(1, len(cameras)), runs_per_second(cameras.values()) or ASSUMED_FPS
    return (
        f"{count} camera{'s' if count > 1 else ''} with {runs:.3g} runs a second "
        f"leave{'' if count > 1 else 's'} {limit_ms(cameras):.0f} ms"
    )


def _best(speed: Speed, cameras: Mapping[str, CameraSettings]) -> str:
    return (
        "the best in the cache that is fast enough: it takes "
        f"{speed.ms:.0f} ms for a run, and {_wanted(cameras)}"
    )
