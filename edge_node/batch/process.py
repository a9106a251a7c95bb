"""`darner-edge process`: video files as fast as possible, to files of messages."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from edge_node.analytics.watch import Watch, watch
from edge_node.batch.annotate import VideoFile, draw
from edge_node.batch.parallel import ahead, inferred
from edge_node.batch.record import Record
from edge_node.batch.results import Results
from edge_node.capture.camera import capture
from edge_node.capture.extent import frame_rate, length
from edge_node.config import load
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.definitions import Definitions
from edge_node.config.live import LiveStore
from edge_node.config.settings import EdgeConfig
from edge_node.config.sources import check_source, describe, kind_of
from edge_node.detect.devices import for_throughput
from edge_node.detect.stages import Detect
from edge_node.frames import Frame
from edge_node.machine.hardware import usable_cores
from edge_node.pace import Pace
from edge_node.publish.compose import Composer, new_session
from shared import log as logs
from shared.errors import ConfigError, DarnerError, OutputError, SourceError
from shared.program import Parser, called
from shared.signals import stop_on_signals

log = logging.getLogger("darner.process")

INTERRUPTED = 130
"""Exit code after Ctrl-C, as in shells."""
_READ_AHEAD = 4
_WHOLE = 0.95
"""A video counts as cut short if it has less than this share of the frames that its header names."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One video and the files to write about it.

    Attributes:
        camera: Name of the camera in messages.
        settings: Of the camera; its source is the video.
        messages: File for the messages, JSON lines.
        annotated: File for the annotated video, if one is wanted.
    """

    camera: str
    settings: CameraSettings
    messages: Path
    annotated: Path | None


def main(arguments: Sequence[str]) -> int:
    """Parse the command line and run the jobs; return the process's exit code."""
    options = _parser().parse_args(arguments)
    logs.setup()
    try:
        config = load.configuration(options.config, options.set)
        logs.setup(config.log_level, config.log_format)
        jobs = plan(config, options)
        options.out.mkdir(parents=True, exist_ok=True)
        with stop_on_signals() as stop, logging_redirect_tqdm():
            return run(config, jobs, options.jobs or usable_cores(), _start_ns(options.start), stop)
    except OSError as error:
        log.error("%s: %s", error.filename or options.out, error.strerror)
        return OutputError.exit_code
    except DarnerError as error:
        log.error("%s", error)
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=f"{called('darner-edge', 'edge_node')} process", description=__doc__)
    parser.add_argument("videos", nargs="+", metavar="VIDEO", help="video file or folder of pictures")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for VIDEO.jsonl and VIDEO.mp4"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML file, as a node reads it")
    parser.add_argument("--camera", help="the camera whose zones and settings apply, if the file has several")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key")
    parser.add_argument("--annotate", action="store_true", help="write a video with boxes, zones and counts")
    parser.add_argument("--force", action="store_true", help="replace files that exist")
    parser.add_argument(
        "--jobs",
        type=_positive,
        metavar="N",
        help="networks side by side on a CPU; default: one per core",
    )
    parser.add_argument(
        "--start",
        metavar="TIME",
        help="when the videos begin, such as 2026-05-01T08:00:00Z; default: times count from 1970",
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 up")
    return int(text)


def _start_ns(text: str | None) -> int:
    """A time as nanoseconds since 1970; a time without a zone is UTC."""
    if text is None:
        return 0
    try:
        moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ConfigError(f"--start {text!r}: is not a time such as 2026-05-01T08:00:00Z") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return round(moment.timestamp() * 1e6) * 1000


def plan(config: EdgeConfig, options: argparse.Namespace) -> list[Job]:
    """The jobs that the command line asks for; an impossible one is refused before any job begins.

    Raises:
        ConfigError: The camera is ambiguous, or two videos would share one file of messages.
        SourceError: A video is missing.
        OutputError: A file exists already.
    """
    template = _template(config, options.camera)
    jobs: list[Job] = []
    for video in options.videos:
        stem = Path(video).expanduser().stem
        if kind_of(video) in ("device", "stream", "pipe"):
            raise SourceError(f"{describe(video)}: not a file or folder; a batch job needs a video that ends")
        name, settings = template or (_as_id(stem), CameraSettings(source=video))
        check_source(name, video)
        settings = dataclasses.replace(settings, source=video, pace="fast", loop=False)
        messages = options.out / f"{stem}.jsonl"
        annotated = options.out / f"{stem}.mp4" if options.annotate else None
        if any(job.messages == messages for job in jobs):
            raise ConfigError(f"{video}: another video is written to {messages}, too; use two folders")
        for path in filter(None, (messages, annotated)):
            if path.exists() and path.samefile(Path(video).expanduser()):
                raise OutputError(f"{path}: is the video itself; choose another --out")
            if path.exists() and not options.force:
                raise OutputError(f"{path}: exists already; --force replaces it")
        jobs.append(Job(camera=name, settings=settings, messages=messages, annotated=annotated))
    return jobs


def _template(config: EdgeConfig, wanted: str | None) -> tuple[str, CameraSettings] | None:
    """Name and settings of the camera that recorded the videos; None if no camera is configured."""
    names = list(config.cameras)
    if wanted is None and len(names) > 1:
        raise ConfigError(
            f"the configuration has several cameras: choose one with --camera {'|'.join(names)}"
        )
    if wanted is not None and wanted not in names:
        raise ConfigError(f"--camera {wanted}: the configuration has {', '.join(names) or 'no cameras'}")
    name = wanted or (names[0] if names else None)
    return None if name is None else (name, config.cameras[name])


def _as_id(stem: str) -> str:
    """A file name's stem as an identifier on the wire."""
    allowed = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in stem)
    return allowed[:64] or "video"


def run(config: EdgeConfig, jobs: Sequence[Job], sessions: int, start_ns: int, stop: threading.Event) -> int:
    """Run the jobs in turn, and continue after a video that cannot be read; return the exit code."""
    failed = 0
    with for_throughput(config.model, sessions) as detectors:
        for job in jobs:
            camera = {job.camera: job.settings}
            live = LiveStore(dataclasses.replace(config, cameras=camera))
            limit = 1 if detectors[0].device == "cpu" else config.batch.limit
            detects = [Detect(detector, camera, live, limit=limit) for detector in detectors]
            try:
                _process(config, job, detects, start_ns, stop)
            except SourceError as error:
                log.error("%s", error)
                failed += 1
            if stop.is_set():
                log.warning("interrupted: nothing was kept of %s", Path(str(job.settings.source)).name)
                return INTERRUPTED
    return 1 if failed else 0


def _process(
    config: EdgeConfig, job: Job, detects: Sequence[Detect], start_ns: int, stop: threading.Event
) -> None:
    settings, names = job.settings, detects[0].class_names
    definitions = Definitions(version=1, zones=settings.zones, lines=settings.lines)
    watches = {job.camera: Watch(settings.analytics, definitions, config.tracker, names)}
    total, session = length(settings.source), new_session()
    record = Record(Composer(config.node, session, names), session, settings)
    done, video = -1, None
    with (
        Results(job.messages, job.annotated) as results,
        closing(ahead(_frames(job, start_ns, stop), _READ_AHEAD)) as frames,
        closing(inferred(frames, detects)) as outputs,
        # Tracking in one thread, drawing and encoding in another.
        closing(ahead(watch(detects[0].decode(outputs), watches), _READ_AHEAD)) as analysed,
        tqdm(total=total, desc=job.messages.stem, unit=" frames", disable=None) as bar,
    ):
        if results.video_path is not None:
            fps = frame_rate(settings.source) or settings.fps
            video = results.enter(VideoFile(results.video_path, min(fps, settings.max_fps or fps)))
        for item in analysed:
            results.write(record.of(item))
            if video is not None:
                video.write(draw(item, definitions, names))
            bar.update(item.frame.seq - done)
            done = item.frame.seq
        if stop.is_set():
            return
        results.write(record.end())
        if video is not None:
            video.finish()
        results.keep()
    log.info("%s: %d frames, %d events", job.messages, done + 1, record.events)
    if total is not None and done + 1 < total * _WHOLE:
        log.warning("%s: ended after %d frames, but its header says %d", settings.source, done + 1, total)


def _frames(job: Job, start_ns: int, stop: threading.Event) -> Iterator[Frame]:
    """The frames to analyse, with times that count from the beginning of the video."""
    pace = Pace(job.settings.max_fps) if job.settings.max_fps else None
    for frame in capture(job.camera, job.settings, stop, lambda *_: None, must_end=True):
        if pace is None or pace.ready(frame.monotonic_ns / 1e9):
            yield dataclasses.replace(frame, captured_ns=start_ns + frame.monotonic_ns)
