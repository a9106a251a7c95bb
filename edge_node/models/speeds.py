"""How long a model takes for a picture on this machine: measured once, and remembered in a small file."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime as ort

from edge_node.assets.download import DownloadError, cache_dir, recorded, sha256
from edge_node.assets.known import KnownModel
from edge_node.assets.models import path_of
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from edge_node.machine import hardware
from shared import typed
from shared.files import write_whole

log = logging.getLogger("darner.models")

MOST = 64
"""How many measurements are remembered; the oldest are forgotten first."""
RUNS = 7
WITHIN_S = 2.0
"""How often a model is timed, and for how long at most; it is timed at least once."""
PICTURE = (720, 1280, 3)
"""The picture that models are timed with: 16:9, as most cameras give it."""
Run = tuple[float, float]
"""How long a run took, and how long the threads of this process computed meanwhile, seconds."""


@dataclass(frozen=True, kw_only=True)
class Speed:
    """One measurement.

    Attributes:
        model: Name of the model.
        ms: Milliseconds for one picture, from the picture to its boxes.
        engine: What ran the model, and its version.
        device: Where it ran.
    """

    model: str
    ms: float
    engine: str
    device: str


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """The content of the file; the newest measurement comes last."""

    speeds: dict[str, Speed] = field(default_factory=dict)


def measure(settings: ModelSettings) -> Speed:
    """Time a model in the engine that the settings choose.

    Raises:
        DarnerError: It does not run here.
    """
    picture = np.full(PICTURE, 114, np.uint8)
    index = settings.devices[0] if settings.devices else 0
    with Detector(settings, index) as detector:  # which warms the network up
        runs: list[Run] = []
        started = time.perf_counter()
        while len(runs) < RUNS and (not runs or time.perf_counter() - started < WITHIN_S):
            before, worked = time.perf_counter(), time.process_time()
            detector.detect(picture)
            runs.append((time.perf_counter() - before, time.process_time() - worked))
        return Speed(
            model=settings.name,
            ms=round(shortest(runs, detector.device) * 1e3, 2),
            engine=detector.backend_name,
            device=detector.device,
        )


def shortest(runs: Sequence[Run], device: str) -> float:
    """The time of a run that nothing else on the machine has lengthened, as far as can be told, in seconds.

    Another program only makes a run longer, so the shortest one counts. On a CPU, an undisturbed run takes at
    most as long as all its threads together computed; on a busy one, it mostly waits for its turn.

    Args:
        runs: What was measured.
        device: Where the network ran.
    """
    if device != "cpu":
        return min(took for took, _ in runs)
    return min(min(took, computed) for took, computed in runs)


class Speeds:
    """The remembered measurements of this machine.

    Args:
        path: The file that keeps them; None for the one in the cache.
        take: Measures a model that is not remembered.
    """

    def __init__(self, path: Path | None = None, take: Callable[[ModelSettings], Speed] = measure) -> None:
        self._path = path or cache_dir() / "models" / "speeds.json"
        self._take = take
        self._known = self._read()

    def of(self, known: KnownModel, settings: ModelSettings) -> Speed | None:
        """What is remembered of a model under these settings; None if it was not measured."""
        return self._known.get(self._key(known, settings))

    def measured(self, known: KnownModel, settings: ModelSettings, *, again: bool = False) -> Speed:
        """The speed of a model under these settings, measured if it is not remembered.

        Args:
            known: The model; its file must be here.
            settings: Engine, threads and input; the name does not matter.
            again: Measure it in any case.

        Raises:
            DarnerError: The model does not run here.
        """
        key = self._key(known, settings)
        if again or key not in self._known:
            log.info("%s is timed here, which is done once for its file, engine and options", known.name)
            speed = self._take(replace(settings, name=known.name))
            self._known.pop(key, None)
            self._known[key] = speed
            self._write()
        return self._known[key]

    def forget(self, name: str) -> None:
        """Forget a model that was removed."""
        left = {key: speed for key, speed in self._known.items() if speed.model != name}
        if len(left) < len(self._known):
            self._known = left
            self._write()

    def _key(self, known: KnownModel, settings: ModelSettings) -> str:
        """Everything that decides how fast a model is: its file, its engine and the machine."""
        parts = (
            _identity(path_of(known)),
            known.size,
            settings.backend,
            settings.providers,
            settings.provider_options,
            settings.devices[:1],
            settings.threads,
            settings.spinning,
            settings.input_size,
            settings.rectangular,
            ort.__version__,
            self._machine,
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]

    @cached_property
    def _machine(self) -> tuple[object, ...]:
        found = hardware.find()
        return found.processor, found.cores, found.jetson, found.gpus

    def _read(self) -> dict[str, Speed]:
        """What the file holds; nothing if it is damaged, because it can be measured again."""
        try:
            return typed.decode(self._path.read_bytes(), Remembered).speeds
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            log.info("%s: is not used, models are measured again: %s", self._path, error)
            return {}

    def _write(self) -> None:
        newest = dict(list(self._known.items())[-MOST:])
        try:
            write_whole(self._path, msgspec.json.encode(Remembered(speeds=newest)))
        except OSError as error:
            log.warning("%s: speeds are not remembered: %s", self._path, error.strerror)


def _identity(file: Path) -> str:
    """The hash of a model's file: the recorded one, which the file is compared with before it is used."""
    try:
        return recorded(file) or sha256(file)
    except DownloadError:
        return sha256(file)
