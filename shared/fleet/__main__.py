"""`darner-fleet status|plan|apply|rollback|runs|export`: bring many nodes to what a folder says, over MQTT.

Exit code 0: everything is as wanted; 1: something failed, was changed by somebody else, or is unwell; 2: the
folder, an option or the broker is wrong, and nothing was sent; 3: the rest is done, but some nodes were
offline; 4: `plan` or `status` found differences; 130: Ctrl-C.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from shared import log
from shared.errors import BrokerError, ConfigError, DarnerError
from shared.fleet.commands import COMMANDS
from shared.mqtt.command_line import add_broker_options
from shared.program import INTERRUPTED, UNREAD, Parser, called, nobody_reads
from shared.secrets.arguments import hide_arguments

logger = logging.getLogger("darner.fleet")


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run; the process's exit code."""
    hide_arguments()
    options = _parser().parse_args(arguments)
    log.setup("WARNING")
    try:
        return COMMANDS[options.command](options)
    except (ConfigError, BrokerError) as error:
        logger.error("%s", error)
        return 2
    except DarnerError as error:
        logger.error("%s", error)
        return 1
    except BrokenPipeError:  # who reads has seen enough
        nobody_reads()
        return UNREAD
    except KeyboardInterrupt:
        print("stopped; nothing was sent", file=sys.stderr)
        return INTERRUPTED


def _parser() -> Parser:
    parser = Parser(prog=called("darner-fleet", "shared.fleet"), description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    state = commands.add_parser("status", help="what runs and is in force where, as a table")
    state.add_argument("folder", type=Path, nargs="?", help="also say which nodes differ from this folder")
    planner = commands.add_parser("plan", help="what would change, without changing it")
    applier = commands.add_parser("apply", help="change the nodes, a few first, and check each")
    for command in (planner, applier):
        command.add_argument(
            "folder", type=Path, help="the folder with the YAML files that say what is wanted"
        )
    undoer = commands.add_parser("rollback", help="put back what a run of apply or rollback has changed")
    undoer.add_argument("run", help="name of the run, or the folder whose last run is meant")
    exporter = commands.add_parser(
        "export", help="write the zones, lines, masks, filters, calendars and rules in force as files"
    )
    exporter.add_argument("folder", type=Path, help="the folder that gets a file for each camera and node")
    commands.add_parser("runs", help="the runs that were made on this machine")
    for command in (state, planner, applier, undoer, exporter):
        add_broker_options(command)
        command.add_argument(
            "--nodes",
            action="append",
            default=[],
            metavar="GLOB",
            help="only these nodes, such as 'shop-*' (several times: any of them; default: all)",
        )
    for command in (state, planner, applier, undoer):
        command.add_argument("--json", type=Path, metavar="FILE", help="also write this file, as JSON")
        command.add_argument("--all", action="store_true", help="print every node, however many there are")
    for command in (applier, undoer):
        _add_pace(command)
    return parser


def _add_pace(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--canary",
        default="1",
        help="nodes that go first: a number or a share, such as 5%% (default %(default)s)",
    )
    command.add_argument(
        "--batch",
        default="10%",
        help="nodes that go together afterwards: a number or a share (default 10%%)",
    )
    command.add_argument(
        "--pause",
        type=float,
        default=10.0,
        metavar="S",
        help="seconds for which nodes are watched after the canary and each batch (default %(default)g)",
    )
    command.add_argument(
        "--max-failures",
        type=int,
        default=0,
        metavar="N",
        help="nodes that may fail before the rest is left alone (default %(default)s)",
    )
    command.add_argument(
        "--wait",
        type=float,
        default=0.0,
        metavar="S",
        help="seconds to wait for nodes that are offline (default: they are left out)",
    )
    command.add_argument("--yes", action="store_true", help="do not ask before anything is sent")


if __name__ == "__main__":
    sys.exit(main())
