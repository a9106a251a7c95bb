"""`darner-edge`: run an edge node until its sources end or it is told to stop."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import NoReturn

from edge_node import __version__, node
from edge_node.backends.tensorrt import builder
from edge_node.batch import process
from edge_node.config import load
from edge_node.config.saved.cameras import CameraStore
from edge_node.control import forget
from edge_node.discover import command as discover
from edge_node.doctor import doctor
from edge_node.models import command as models
from shared import log as logs
from shared.errors import DarnerError
from shared.program import Parser, called
from shared.secrets.arguments import hide_arguments

log = logging.getLogger("darner.edge")


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run; the process's exit code."""
    environment = dict(os.environ)  # before anybody takes something out of it
    hide_arguments()
    program = called("darner-edge", "edge_node")
    parser = Parser(
        prog=program,
        description=__doc__,
        epilog=f"`{program} discover` finds cameras and prints a configuration to paste; "
        f"`{program} doctor` says what this machine has and lacks; "
        f"`{program} models` lists the known detectors and gets better ones than the built-in; "
        f"`{program} forget` clears what a renamed node has left on the broker; "
        f"`{program} process` analyses video files as fast as possible and writes the messages to files.",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML configuration")
    parser.add_argument("--source", help="watch only this: webcam index, URL, video file or image folder")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a configuration key, such as mqtt.url=mqtt://HOST:1883",
    )
    parser.add_argument(
        "--print-config", action="store_true", help="print every configuration key with its value, and exit"
    )
    parser.add_argument("--version", action="version", version=f"darner {__version__}")
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["doctor"]:
        return doctor.main(arguments[1:])
    if arguments[:1] == ["discover"]:
        return discover.main(arguments[1:])
    if arguments[:1] == ["forget"]:
        return forget.main(arguments[1:])
    if arguments[:1] == ["models"]:
        return models.main(arguments[1:])
    if arguments[:1] == ["process"]:
        return process.main(arguments[1:])
    options = parser.parse_args(arguments)
    logs.setup()
    try:
        store = None if options.source is not None else CameraStore()
        read = partial(load.node, options.config, options.source, options.set, store)
        if options.print_config:
            print(load.as_yaml(read()), end="")
            return 0
        code = node.run(read, store)
        if code == node.AGAIN:
            start_again(environment)
    except DarnerError as error:
        log.error("%s", error)
        code = error.exit_code
    return builder.leave(code)


def start_again(environment: Mapping[str, str]) -> NoReturn:
    """Take a fresh start in the same process: whatever a driver or an engine holds is let go.

    Args:
        environment: As it was at the start.
    """
    logging.shutdown()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], dict(environment))  # noqa: S606 - ourselves


if __name__ == "__main__":
    sys.exit(main())
