"""Gets a known model into the cache, and removes it: a file is tried before it is kept."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_node.assets.download import DownloadError, fetch, record_of, recorded, sha256
from edge_node.assets.known import KnownModel
from edge_node.assets.models import KNOWN, names_for, path_of
from edge_node.assets.names import COCO
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from edge_node.models.speeds import Speeds
from shared.errors import ConfigError, DarnerError, ModelError, OutputError

LARGEST = 300_000_000
"""Most bytes of a model whose size is not known beforehand."""
MOST_IN_NOISE = 20
"""More sure detections than this in noise mean that a network sees what is not there."""
SURE = 0.5
STALE_S = 3600.0
"""A download that was killed so long ago will not go on; its rest is deleted."""


@dataclass(frozen=True, kw_only=True)
class Got:
    """What `get` has done.

    Attributes:
        known: The model.
        path: Its file.
        downloaded: Whether it was fetched now; False if it was here.
    """

    known: KnownModel
    path: Path
    downloaded: bool


def named(name: str) -> KnownModel:
    """A known model.

    Raises:
        ConfigError: There is none of that name; the text lists those that there are.
    """
    known = KNOWN.get(name)
    if known is None:
        raise ConfigError(f"no known model is called {name!r}; there are {names_for(name)}")
    return known


def get(name: str) -> Got:
    """Fetch a model and try it; a model that is here is only compared with its hash.

    Raises:
        ConfigError: There is no such model.
        ModelError: It cannot be downloaded, its content is not the expected one, or it is not the detector
            that it should be; nothing is kept.
    """
    known = named(name)
    path = path_of(known)
    if known.built_in:
        return Got(known=known, path=path, downloaded=False)
    if path.is_file():
        if (known_hash := recorded(path)) is not None and sha256(path) != known_hash:
            raise ModelError(
                f"model {name!r}: {path} has changed since it was downloaded; remove it with "
                f"`darner-edge models remove {name}`, and get it again"
            )
        try_out(known, path)
        return Got(known=known, path=path, downloaded=False)
    if known.download is None:
        raise ModelError(f"model {name!r}: {known.recipe}, and put the file at {path}")
    _sweep(path)
    _make_room(path, known.download.size)
    limit = known.download.size or LARGEST
    try:
        fetch(
            known.download.url,
            path,
            known.download.sha256,
            limit=limit,
            check=lambda part: try_out(known, part),
        )
    except DownloadError as error:
        raise ModelError(f"model {name!r}: {error}; nothing was kept") from None
    return Got(known=known, path=path, downloaded=True)


def remove(name: str, speeds: Speeds | None = None) -> Path:
    """Delete a model's file from the cache; returns its path.

    Raises:
        ConfigError: There is no such model, it comes with Darner, or it is not in the cache.
        OutputError: The file cannot be deleted.
    """
    known = named(name)
    path = path_of(known)
    if known.built_in:
        raise ConfigError(f"model {name!r} comes with Darner and cannot be removed")
    if not path.is_file():
        raise ConfigError(f"model {name!r} is not in the cache: there is no {path}")
    try:
        path.unlink()
        record_of(path).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be removed: {error.strerror}") from None
    (speeds or Speeds()).forget(name)
    return path


def try_out(known: KnownModel, path: Path) -> None:
    """Make sure that a file is the detector that the table says: it loads, runs, and is plausible.

    Raises:
        ModelError: It is not.
    """
    settings = ModelSettings(
        name=str(path),
        backend="onnxruntime",
        providers=("cpu",),
        layout=known.layout,
        labels=() if known.layout != "rtmdet" else ("coco",),
        input_size=known.size or 0,
        rectangular=known.size is None,
    )
    noise = np.random.default_rng(0).integers(0, 256, (known.side, known.side, 3), np.uint8)
    try:
        with Detector(settings) as detector:
            names = set(detector.class_names)
            found, _ = detector.detect(noise, SURE)
    except DarnerError as error:
        why = str(error).removeprefix(f"model {path}: ")
        raise ModelError(f"model {known.name!r}: the file is not {known.title}: {why}") from None
    if missing := [name for name in COCO if name not in names]:
        raise ModelError(
            f"model {known.name!r}: the file is not {known.title}: it has no class {missing[0]!r}"
        )
    if len(found) > MOST_IN_NOISE:
        raise ModelError(
            f"model {known.name!r}: the file is not {known.title}: it sees {len(found)} objects in noise"
        )


def _sweep(path: Path) -> None:
    """Delete what downloads of this model left behind that were killed."""
    for part in path.parent.glob(f".{path.stem}.*.part{path.suffix}"):
        with suppress(OSError):
            if time.time() - part.stat().st_mtime > STALE_S:
                part.unlink()


def _make_room(path: Path, size: int | None) -> None:
    """Make sure that the disk has room before anything is fetched.

    Raises:
        ModelError: It has not.
    """
    folder = next(one for one in path.parents if one.is_dir())
    with suppress(OSError):
        free = shutil.disk_usage(folder).free
        if size is not None and free < size:
            raise ModelError(
                f"{folder}: has room for {free // 1_000_000} MB, and the file needs "
                f"{size // 1_000_000 + 1} MB; free some, or name another folder in $DARNER_CACHE"
            )
