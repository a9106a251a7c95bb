"""Which videos a batch job takes, and under which names it writes about them."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from edge_node.batch.annotate import WHOLE_SIZE, Size
from edge_node.collect.collector import WITHHELD, shows_pictures
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.settings import EdgeConfig
from edge_node.config.sources import check_source, describe, is_utf8, kind_of, path_of
from shared.errors import ConfigError, OutputError, SourceError


@dataclass(frozen=True, kw_only=True)
class Job:
    """One video and the files to write about it.

    Attributes:
        camera: Name of the camera in messages.
        settings: Of the camera; its source is the video.
        messages: File for the messages, JSON lines.
        annotated: File for the annotated video, if one is wanted.
        annotated_size: The box in pixels, (width, height), that the annotated video fits into.
        collected: Folder for the frames that are worth labelling, if they are wanted.
    """

    camera: str
    settings: CameraSettings
    messages: Path
    annotated: Path | None
    annotated_size: Size = WHOLE_SIZE
    collected: Path | None = None


def plan(config: EdgeConfig, options: argparse.Namespace) -> tuple[list[Job], list[SourceError]]:
    """The jobs that the command line asks for, and what is wrong with each video that cannot be one.

    A request that makes no sense is refused before any job begins. A video that cannot be read does not stop
    the others.

    Raises:
        ConfigError: The camera is ambiguous, or a video is named twice.
        OutputError: A file exists already, or the folder's name cannot be written to.
    """
    template = _template(config, options.camera)
    if not is_utf8(str(options.out.absolute())):
        raise OutputError(f"--out {str(options.out)!r}: its name is not UTF-8; choose another folder")
    jobs: list[Job] = []
    refused: list[SourceError] = []
    stems = names(options.videos)
    folders = _numbered([_as_id(stem) for stem in stems])
    for video, stem, folder in zip(options.videos, stems, folders, strict=True):
        name, settings = template or (_as_id(stem), CameraSettings(source=video))
        try:
            if kind_of(video) in ("device", "mqtt", "stream", "pipe"):
                raise SourceError(
                    f"{describe(video)}: not a file or folder; a batch job needs a video that ends"
                )
            check_source(name, video)
        except SourceError as error:
            refused.append(error)
            continue
        settings = dataclasses.replace(settings, source=video, pace="fast", loop=False)
        messages = options.out / f"{stem}.jsonl"
        annotated = None if options.annotate is None else options.out / f"{stem}.mp4"
        for path in filter(None, (messages, annotated)):
            _check_free(path, path_of(video), force=options.force)
        collected = None if options.collect is None else options.collect / folder[-64:]
        if collected is not None and not shows_pictures(settings):
            raise ConfigError(f"--collect: camera {name}: {WITHHELD}")
        jobs.append(
            Job(
                camera=name,
                settings=settings,
                messages=messages,
                annotated=annotated,
                annotated_size=options.annotate or WHOLE_SIZE,
                collected=collected,
            )
        )
    return jobs, refused


def _check_free(path: Path, video: str | None, *, force: bool) -> None:
    """Make sure that a result replaces nothing that is wanted."""
    if not path.exists():
        return
    if video is not None and path.samefile(video):
        raise OutputError(f"{path}: is the video itself; choose another --out")
    if not force:
        raise OutputError(f"{path}: exists already; --force replaces it")


def _template(config: EdgeConfig, wanted: str | None) -> tuple[str, CameraSettings] | None:
    """Name and settings of the camera that recorded the videos; None if no camera is configured."""
    known = list(config.cameras)
    if wanted is None and len(known) > 1:
        raise ConfigError(
            f"the configuration has several cameras: choose one with --camera {'|'.join(known)}"
        )
    if wanted is not None and wanted not in known:
        raise ConfigError(f"--camera {wanted}: the configuration has {', '.join(known) or 'no cameras'}")
    name = wanted or (known[0] if known else None)
    return None if name is None else (name, config.cameras[name])


def names(videos: Sequence[str]) -> list[str]:
    """A name for the results of each video, made from its file's name: short, but unlike all others.

    The name is the file's without its extension; where several have that, with the extension; where several
    have that, too, with the names of as many folders above it as it takes.

    Raises:
        ConfigError: A video is named twice.
    """
    paths = [_parts(video) for video in videos]
    for path, count in Counter(paths).items():
        if count > 1:
            raise ConfigError(f"{path[-1]}: is named twice")
    chosen = [_stem(video, path) for video, path in zip(videos, paths, strict=True)]
    for depth in range(1, max(map(len, paths)) + 1):
        taken = Counter(name.casefold() for name in chosen)  # some file systems ignore case
        chosen = [
            name if taken[name.casefold()] == 1 else "-".join(path[-depth:])
            for name, path in zip(chosen, paths, strict=True)
        ]
    return _numbered(chosen)


def _numbered(chosen: Sequence[str]) -> list[str]:
    """The names, of which those that are still the same get numbers that make no name of another video."""
    counts = Counter(name.casefold() for name in chosen)
    taken = set(counts)
    numbered: list[str] = []
    for place, name in enumerate(chosen, 1):
        if counts[name.casefold()] > 1:
            name = next(
                new
                for number in itertools.count(place)
                if (new := f"{name}-{number}").casefold() not in taken
            )
            taken.add(name.casefold())
        numbered.append(name)
    return numbered


def _parts(video: str) -> tuple[str, ...]:
    """The folders that a video lies in, and its name; of an address nothing that may be a secret."""
    if (file := path_of(video)) is not None:
        return Path(file).parts[1:] or ("video",)  # without the root, which may be / or //
    try:
        address = urlsplit(video)
    except ValueError:  # no address; opening it will say so
        return ("video",)
    path = "".join(c if c.isprintable() else "-" for c in unquote(address.path))
    return (address.hostname or "video", *(part for part in path.split("/") if part not in ("", "..")))


def _stem(video: str, path: tuple[str, ...]) -> str:
    """The name without its extension; a folder has none."""
    return path[-1] if kind_of(video) == "folder" else Path(path[-1]).stem


def _as_id(stem: str) -> str:
    """A file name's stem as an identifier on the wire."""
    allowed = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in stem)
    return allowed[:64] or "video"
