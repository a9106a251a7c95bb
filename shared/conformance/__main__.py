"""`darner-conformance`: listen to a running system and report what breaks the wire contract.

Exit code 0: all messages kept the contract; 1: some broke it; 2: no message could be received. Messages that
were lost on the way are reported, but do not break the contract: detections and pictures may be lost.
"""

from __future__ import annotations

import dataclasses
import logging
import sys
import time
from pathlib import Path

import orjson

from shared import log
from shared.conformance.rules import Checker, Report
from shared.errors import BrokerError, ConfigError, DarnerError
from shared.mqtt.address import MqttSettings
from shared.mqtt.command_line import add_broker_options, broker_settings, connected
from shared.program import Parser, called
from shared.secrets.arguments import hide_arguments
from shared.signals import stop_on_signals

logger = logging.getLogger("darner.conformance")


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run; the process's exit code."""
    hide_arguments()
    parser = Parser(prog=called("darner-conformance", "shared.conformance"), description=__doc__)
    add_broker_options(parser)
    parser.add_argument("--seconds", type=float, default=30.0, help="seconds to listen (default %(default)s)")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the report to this file, as JSON"
    )
    parser.add_argument(
        "--no-properties",
        action="store_true",
        help="the nodes speak MQTT 3.1.1: expect no content type, expiry or user properties; "
        "implied by --set mqtt.version=3.1.1, which cannot see whether live messages are retained either",
    )
    options = parser.parse_args(arguments)
    log.setup("WARNING")
    try:
        settings = broker_settings(options)
        report = listen(settings, options.seconds, properties=not options.no_properties)
        if options.json:
            _write(options.json, report)
    except DarnerError as error:
        logger.error("%s", error)
        return 2
    print(table(report))
    return 1 if report.breaks else 0


def listen(settings: MqttSettings, seconds: float, *, properties: bool = True) -> Report:
    """Check everything published below the prefix, until the time is up or SIGINT or SIGTERM comes.

    Args:
        settings: The broker.
        seconds: How long to listen.
        properties: Whether messages must have MQTT 5 properties.

    Raises:
        BrokerError: The broker cannot be reached, or no message came.
    """
    v5 = settings.version == "5"
    checker = Checker(
        settings.prefix, properties=properties and v5, as_published=v5, qos=settings.subscribe_qos == 1
    )
    with (
        stop_on_signals() as stop,
        connected(settings, "darner-conformance", f"{settings.prefix}/#") as client,
    ):
        deadline = time.monotonic() + seconds
        while not stop.is_set() and (left := deadline - time.monotonic()) > 0:
            try:
                checker.check(client.received.get(min(left, 0.2)), time.monotonic())
            except TimeoutError:
                continue
        unread = sum(client.received.dropped.values())
    report = checker.finish()
    if not report.messages:
        raise BrokerError(
            f"nothing came below {settings.prefix!r} in {seconds:.0f} s; "
            "is a node running? Is this its prefix? May this user read it?"
        )
    return dataclasses.replace(report, unread=unread)


def _write(path: Path, report: Report) -> None:
    try:
        path.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    except OSError as error:
        raise ConfigError(f"--json {path}: {error.strerror}") from None


def table(report: Report) -> str:
    """The report as text for people."""
    lines = [f"{'topic':<16}{'messages':>10}{'breaks':>10}"]
    for name, count in sorted(report.messages.items()):
        broken = sum(found.count for found in report.breaks if found.row == name)
        lines.append(f"{name:<16}{count:>10}{broken:>10}")
    for what, count in (
        ("detections messages lost on the way here", report.lost),
        ("events sent again", report.repeated),
        ("pictures of frames without a detections message, which dropped counts", report.unpaired),
        ("pictures that do not name their frame, neither in properties nor in a comment", report.unnamed),
        ("messages left unchecked because they came too fast", report.unread),
    ):
        if count:
            lines.append(f"{count} {what}")
    lines += [
        f"{count} events of the type {_shown(name)}, which this version does not know: of a newer node?"
        for name, count in report.unknown_types.items()
    ]
    lines += [
        f"BREAK {found.kind}, {found.count} times, first on {_shown(found.topic)}: {_shown(found.detail)}"
        for found in report.breaks
    ]
    lines.append("the contract is broken" if report.breaks else "the contract is kept")
    return "\n".join(lines)


def _shown(text: str) -> str:
    """Text from the wire, made safe for a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:300])


if __name__ == "__main__":
    sys.exit(main())
