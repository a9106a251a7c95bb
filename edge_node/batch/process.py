"""`darner-edge process`: video files as fast as possible, to files of messages."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from tqdm.contrib.logging import logging_redirect_tqdm

from edge_node.analytics.watch import Analysed, Watch
from edge_node.backends.cuda.video.nvdec import decoder_for
from edge_node.batch.annotate import WHOLE_SIZE, draw, is_meant_as_size, size_of
from edge_node.batch.jobs import Job, plan
from edge_node.batch.parallel import ahead, inferred
from edge_node.batch.progress import Bar
from edge_node.batch.record import Record
from edge_node.batch.results import Results
from edge_node.batch.video_file import VideoFile
from edge_node.capture.camera import capture
from edge_node.capture.extent import extent_of
from edge_node.capture.film import WHOLE
from edge_node.collect.film import FilmCollector
from edge_node.collect.keeper import Source
from edge_node.config import load
from edge_node.config.live import LiveStore
from edge_node.config.saved.definitions import configured_definitions
from edge_node.config.settings import EdgeConfig
from edge_node.config.sources import describe, printable
from edge_node.detect.devices import for_throughput
from edge_node.detect.stages import Detect
from edge_node.frames import Detected, Frame
from edge_node.machine.hardware import usable_cores
from edge_node.models import auto
from edge_node.pace import Pace
from edge_node.publish.compose import Composer, new_session
from shared import limits
from shared import log as logs
from shared.collected import Seeing
from shared.errors import ConfigError, DarnerError, OutputError, SourceError
from shared.files import private_folder
from shared.program import INTERRUPTED, Parser, called
from shared.secrets.redact import redact_address
from shared.signals import stop_on_signals

log = logging.getLogger("darner.process")

_READ_AHEAD = 4
_LAG = 4
"""Frames after which a frame's tracks decide where the network looks (`tiles: auto`): enough frames for many
networks side by side, and the same on every machine."""


def main(arguments: Sequence[str]) -> int:
    """Parse the command line and run the jobs; return the process's exit code."""
    options = _parser().parse_args(_size_apart(arguments))
    logs.setup()
    try:
        config = load.configuration(options.config, options.set)
        logs.setup(config.log_level, config.log_format)
        start_ns = _start_ns(options.start)
        jobs, refused = plan(config, options)
        for reason in refused:
            log.error("%s", reason)
        if not jobs:
            return SourceError.exit_code
        options.out.mkdir(parents=True, exist_ok=True)
        if options.collect is not None:
            private_folder(options.collect)
        with stop_on_signals() as stop, logging_redirect_tqdm():
            return run(config, jobs, options.jobs or usable_cores(), start_ns, stop) or min(1, len(refused))
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
    parser.add_argument(
        "--annotate",
        nargs="?",
        const=WHOLE_SIZE,
        type=size_of,
        metavar="SIZE",
        help="write a video with boxes, zones and counts; SIZE is its longer side in pixels, or the box "
        "that it must fit into, such as 1280x720 (default: the size of the source)",
    )
    parser.add_argument(
        "--collect",
        type=Path,
        metavar="DIR",
        help="keep frames that are worth labelling, in a folder of DIR for each video",
    )
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


def _size_apart(arguments: Sequence[str]) -> list[str]:
    """The arguments with an empty size where none follows ``--annotate``: a video after it is no size."""
    following = [*arguments, ""][1:]
    return [
        "--annotate=" if one == "--annotate" and not is_meant_as_size(after) else one
        for one, after in zip(arguments, following, strict=True)
    ]


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


def run(config: EdgeConfig, jobs: Sequence[Job], sessions: int, start_ns: int, stop: threading.Event) -> int:
    """Run the jobs in turn, and continue after a video that cannot be read; return the exit code."""
    failed = 0
    hardest = max(jobs, key=lambda job: auto.runs_per_second([job.settings]))  # they run one after another
    model = auto.chosen(config.model, {hardest.camera: hardest.settings})
    with for_throughput(model, sessions) as detectors:
        name = limits.clipped(Path(redact_address(model.name)).stem, limits.LABEL_LENGTH)
        seeing = Seeing(name=name, sha256=detectors[0].lineage.sha256)
        for job in jobs:
            camera = {job.camera: job.settings}
            live = LiveStore(dataclasses.replace(config, cameras=camera))
            limit = 1 if detectors[0].device == "cpu" else config.batch.limit
            detects = [Detect(detector, camera, live, limit=limit, lag=_LAG) for detector in detectors]
            try:
                _process(config, job, detects, start_ns, stop, seeing)
            except SourceError as error:
                log.error("%s", error)
                failed += 1
            except (OSError, DarnerError):
                raise  # not the video's fault: the next one would fail, too
            except Exception:
                log.exception("%s: cannot be processed", describe(job.settings.source))
                failed += 1
            if stop.is_set():
                log.warning("interrupted: nothing was kept of %s", describe(job.settings.source))
                return INTERRUPTED
    return 1 if failed else 0


def _process(
    config: EdgeConfig,
    job: Job,
    detects: Sequence[Detect],
    start_ns: int,
    stop: threading.Event,
    seeing: Seeing,
) -> None:
    settings, names = job.settings, detects[0].class_names
    definitions = configured_definitions(settings)
    watch = Watch(settings.analytics, definitions, config.tracker, names)
    extent, session = extent_of(settings.source, settings.fps), new_session()
    record = Record(Composer(config.node, session, names), session, settings)
    collected = None
    if job.collected is not None:
        source = Source(config.node, session, names, lambda: seeing)
        collected = FilmCollector(job.collected, settings.collect, config.tracker, source)
    read = _Read(stop, detects[0])
    done, video = -1, None
    with (
        Results(job.messages, job.annotated) as results,
        closing(ahead(read.frames(job, start_ns), _READ_AHEAD)) as frames,
        closing(inferred(frames, detects)) as outputs,
        # Tracking in one thread, drawing and encoding in another.
        closing(
            ahead(_watched(detects[0].decode(outputs), watch, detects[0], collected), _READ_AHEAD)
        ) as analysed,
        Bar(printable(job.messages.stem), extent.seconds) as bar,
    ):
        if results.video_path is not None:
            fps = extent.rate or settings.fps
            video = results.enter(VideoFile(results.video_path, min(fps, settings.max_fps or fps)))
        for item in analysed:
            results.write(record.of(item))
            if video is not None:
                video.write(draw(item, definitions, names, job.annotated_size), item.frame.monotonic_ns / 1e9)
            done = item.frame.seq
            bar.move(item.frame.monotonic_ns / 1e9, done + 1)
        if stop.is_set():
            return
        results.write(record.end(watch.finish()))
        if video is not None:
            video.finish()
        results.keep()
    log.info("%s: %d frames, %d events", job.messages, done + 1, record.events)
    if collected is not None:
        collected.finish()
    if extent.seconds is not None and read.seconds < extent.seconds * WHOLE:
        log.warning(
            "%s: ended after %.1f s, but its header says %.1f s; it is damaged or was cut off",
            describe(settings.source),
            read.seconds,
            extent.seconds,
        )


def _watched(
    frames: Iterable[Detected], watch: Watch, detect: Detect, collected: FilmCollector | None
) -> Iterator[Analysed]:
    """What is known of each frame, after the choice of where to look has learned its tracks."""
    for detected in frames:
        item = watch.update(detected)
        detect.follow(detected, item.tracks, item.dropped)
        if collected is not None:
            collected.offer(detected, item)
        yield item


class _Read:
    """Reads videos, and knows how much was read.

    Args:
        stop: Ends the reading.
        detect: Its engine's memory takes the pictures, and its GPU decodes. (On a GPU there is only one.)

    Attributes:
        seconds: When the last frame that was read ends, as far as its distance to the one before tells.
    """

    def __init__(self, stop: threading.Event, detect: Detect) -> None:
        self._stop, self._detect = stop, detect
        self.seconds = 0.0

    def frames(self, job: Job, start_ns: int) -> Iterator[Frame]:
        """The frames to analyse, with times that count from the beginning of the video."""
        pace = Pace(job.settings.max_fps) if job.settings.max_fps else None
        last_s = 0.0
        for frame in capture(
            job.camera,
            job.settings,
            self._stop,
            lambda *_: None,
            must_end=True,
            lender=lambda: self._detect.pictures,
            gpu=lambda: decoder_for(self._detect.pictures),
        ):
            now_s = frame.monotonic_ns / 1e9
            self.seconds, last_s = now_s + (now_s - last_s), now_s
            if pace is None or pace.ready(now_s):
                yield dataclasses.replace(frame, captured_ns=start_ns + frame.monotonic_ns)
