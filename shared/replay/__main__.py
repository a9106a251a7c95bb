"""`darner-replay record|play`: record what is published, and publish it again as it was."""

from __future__ import annotations

import argparse
import logging
import sys
import threading
import time
from pathlib import Path

import numpy as np

from shared import log
from shared.errors import BrokerError, ConfigError, DarnerError
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.command_line import add_broker_options, broker_settings, connected
from shared.program import Parser, called
from shared.replay.recording import Header, Line, Writer, read, read_header
from shared.replay.retell import Retelling, retell
from shared.replay.withheld import without_passwords
from shared.secrets.arguments import hide_arguments
from shared.signals import stop_on_signals
from shared.wire import topics
from shared.wire.messages import now_us

logger = logging.getLogger("darner.replay")


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run; the process's exit code."""
    hide_arguments()
    parser = Parser(prog=called("darner-replay", "shared.replay"), description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    recorder = commands.add_parser("record", help="record everything below the prefix in a new file")
    player = commands.add_parser("play", help="publish a recording, without the requests in it")
    for command in (recorder, player):
        command.add_argument("file", type=Path)
        add_broker_options(command)
    recorder.add_argument("--seconds", type=float, help="seconds to record (default: until Ctrl-C)")
    recorder.add_argument(
        "--max-mb", type=float, default=500.0, help="stop before the file is larger (default %(default)g)"
    )
    player.add_argument(
        "--speed", type=float, default=1.0, help="2 plays twice as fast (default %(default)g)"
    )
    player.add_argument(
        "--loop", action="store_true", help="play again and again, each pass as a new session"
    )
    player.add_argument("--now", action="store_true", help="move the times in messages to the present")
    options = parser.parse_args(arguments)
    log.setup()
    try:
        settings = broker_settings(options)
        with stop_on_signals() as stop:
            if options.command == "record":
                record(options.file, settings, options.seconds, round(options.max_mb * 1e6), stop)
            else:
                play(options, settings, stop)
    except DarnerError as error:
        logger.error("%s", error)
        return error.exit_code
    return 0


def record(
    path: Path, settings: MqttSettings, seconds: float | None, max_bytes: int, stop: threading.Event
) -> int:
    """Record what is published below the prefix, first the retained state; return the number of messages.

    Args:
        path: The file to create.
        settings: The broker.
        seconds: How long to record; None until `stop` is set.
        max_bytes: Recording stops before the file is larger.
        stop: Ends the recording when it is set.

    Raises:
        BrokerError: The broker cannot be reached.
        RecordingError: The file cannot be written.
    """
    header = Header(prefix=settings.prefix, started_us=now_us())
    start = time.monotonic()
    count = 0
    with (
        Writer(path, header, max_bytes) as writer,
        connected(settings, "darner-record", f"{settings.prefix}/#") as client,
    ):
        while not stop.is_set() and (seconds is None or time.monotonic() - start < seconds):
            try:
                received = client.received.get(0.2)
            except TimeoutError:
                continue
            kept = without_passwords(received, settings.prefix)
            if not writer.write(Line.of(round((time.monotonic() - start) * 1e6), kept)):
                logger.warning("%s: has reached --max-mb %g; the recording ends here", path, max_bytes / 1e6)
                break
            count += 1
        unread = sum(client.received.dropped.values())
    if unread:
        logger.warning("%s: lacks %d messages that came faster than they could be written", path, unread)
    logger.info("%s: %d messages, %.1f MB", path, count, writer.written / 1e6)
    return count


def play(options: argparse.Namespace, settings: MqttSettings, stop: threading.Event) -> None:
    """Publish a recording.

    Args:
        options: The command line: `file`, `speed`, `loop`, `now`, and `prefix` if the topics change theirs.
        settings: The broker.
        stop: Ends it when it is set.

    Raises:
        ConfigError: The speed is not above 0.
        BrokerError: The broker cannot be reached, or the connection to it was lost.
        RecordingError: The file is missing, or it is no recording.
    """
    if not 0 < options.speed < 1e6:
        raise ConfigError(f"--speed {options.speed}: expected more than 0; 2 is twice as fast")
    header = read_header(options.file)
    late_ms: list[float] = []
    number = 0
    with connected(settings, "darner-play") as client:
        while not stop.is_set():
            number += 1
            story = Retelling(
                recorded_prefix=header.prefix,
                prefix=options.prefix or header.prefix,
                recorded_us=header.started_us,
                started_us=now_us() if options.now else None,
                speed=options.speed,
                run=number,
            )
            played = _play_once(options.file, client, story, stop)
            late_ms = (late_ms + played)[-1_000_000:]
            if not options.loop or not played:
                break
        if not client.flush(10.0):
            raise BrokerError(f"the broker at {settings.shown} did not take all messages within 10 s")
    _log_lateness(options.file, late_ms)


def _log_lateness(path: Path, late_ms: list[float]) -> None:
    if not late_ms:
        logger.warning("%s: has no messages to play", path)
        return
    p50, p99, worst = np.percentile(late_ms, [50, 99, 100])
    logger.info(
        "%d messages; late by %.1f ms (p50), %.1f ms (p99), %.1f ms at most", len(late_ms), p50, p99, worst
    )


def _play_once(path: Path, client: Client, story: Retelling, stop: threading.Event) -> list[float]:
    """Publish the recording once; return the milliseconds by which each message was late."""
    late_ms = []
    start = time.monotonic()
    for at_us, message in read(path):
        found = topics.match(story.recorded_prefix, message.topic)
        if found and found[0] is topics.REQUEST:
            continue  # a node of that name on this broker would carry it out
        due = start + at_us / 1e6 / story.speed
        if stop.wait(max(0.0, due - time.monotonic())):
            break
        late_ms.append((time.monotonic() - due) * 1e3)
        if not client.republish(retell(message, story)):
            raise BrokerError(
                f"lost the broker, or it refuses {message.topic}; played {len(late_ms) - 1} messages"
            )
    return late_ms


if __name__ == "__main__":
    sys.exit(main())
