"""`darner-edge discover`: find cameras and webcams, and print a configuration to paste."""

from __future__ import annotations

import argparse
import getpass
import logging
import os
import re
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from edge_node.assets.models import AUTO, KNOWN
from edge_node.backends.sizes import DEFAULT_SIDE
from edge_node.config import load
from edge_node.config.settings import EdgeConfig
from edge_node.discover.find import LISTEN_S, Wish, find
from edge_node.discover.found import FoundCamera
from edge_node.discover.printed import EXAMPLE, configuration, table
from edge_node.discover.probing import WATCH_S
from edge_node.discover.soap import Login
from edge_node.models import auto
from shared import log as logs
from shared.configuration.yaml_file import read_yaml
from shared.errors import ConfigError, DarnerError, OutputError
from shared.files import PRIVATE, open_new
from shared.program import INTERRUPTED, Parser, called, nobody_reads
from shared.secrets import known

log = logging.getLogger("darner.discover")

USER, PASSWORD = "DARNER_CAMERA_USER", "DARNER_CAMERA_PASSWORD"
_HTTP = 80


def main(arguments: Sequence[str]) -> int:
    """Parse the command line and run; return the process's exit code."""
    options = _parser().parse_args(arguments)
    logs.setup("WARNING")
    stop = threading.Event()
    try:
        config = load.configuration(options.config, options.set)
        wish = _wish(options, config)
        if options.output is not None and options.output.exists():
            raise OutputError(f"--output {options.output}: is there already; name another file")
        found = find(wish, stop, _tell)
        print(_json(found, wish) if options.json else _text(found, wish, options.output), flush=True)
        text = configuration(found, wish.side, wish.login, secrets=True)
        if options.output is not None and text:
            _write(options.output, text)
    except BrokenPipeError:  # who reads has seen enough
        nobody_reads()
    except DarnerError as error:
        log.error("%s", error)
        return error.exit_code
    except KeyboardInterrupt:
        stop.set()
        log.error("interrupted")
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=f"{called('darner-edge', 'edge_node')} discover",
        description=__doc__,
        epilog=f"A camera's user and password come from {USER} and {PASSWORD}, from --user and a question, "
        "or by host from --logins.",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML file of the node it is for")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key")
    parser.add_argument(
        "--interface",
        action="append",
        default=[],
        metavar="NAME",
        help="ask from this interface only, by its name or IPv4 address; can be repeated",
    )
    parser.add_argument(
        "--timeout", type=_seconds, default=LISTEN_S, metavar="SECONDS", help="how long to listen for answers"
    )
    parser.add_argument(
        "--host",
        action="append",
        default=[],
        type=_host,
        metavar="ADDRESS",
        help="ask this camera instead of the network, as IP or IP:PORT; can be repeated",
    )
    parser.add_argument(
        "--user", metavar="NAME", help="the cameras' user; the password is asked for, and not shown"
    )
    parser.add_argument(
        "--logins",
        type=Path,
        metavar="FILE",
        help="YAML file with user and password by host; those under 'all' are for the others",
    )
    parser.add_argument("--no-open", action="store_true", help="open no stream and no webcam")
    parser.add_argument(
        "--watch", type=_seconds, default=WATCH_S, metavar="SECONDS", help="how long to watch each stream"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="write the configuration to a new file, with users and passwords, for its owner alone",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _seconds(text: str) -> float:
    if not re.fullmatch(r"\d{1,3}(\.\d+)?", text) or not 0.1 <= float(text) <= 60:
        raise argparse.ArgumentTypeError("must be a number of seconds from 0.1 to 60")
    return float(text)


def host_and_port(text: str) -> tuple[str, int]:
    """A camera's IPv4 address, and its port or that of HTTP.

    Raises:
        ValueError: It is neither IP nor IP:PORT.
    """
    found = re.fullmatch(r"((?:\d{1,3}\.){3}\d{1,3})(?::(\d{1,5}))?", text)
    numbers = [] if found is None else [int(part) for part in found[1].split(".")]
    if found is None or max(numbers) > 255 or not 0 < int(found[2] or _HTTP) < 65_536:
        raise ValueError("must be an IPv4 address, such as 192.168.1.20 or 192.168.1.20:8000")
    return found[1], int(found[2] or _HTTP)


def _host(text: str) -> tuple[str, int]:
    try:
        return host_and_port(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _wish(options: argparse.Namespace, config: EdgeConfig) -> Wish:
    return Wish(
        side=detector_side(config),
        interfaces=options.interface,
        listen_s=options.timeout,
        hosts=options.host,
        logins=_logins(options, os.environ),
        opens=not options.no_open,
        watch_s=options.watch,
        webcams=not options.host,
    )


def detector_side(config: EdgeConfig) -> int:
    """Longer side of the configured network's input, pixels, as far as it is known without loading it."""
    model = config.model
    name = auto.choose(model, config.cameras, measure=False).known.name if model.name == AUTO else model.name
    usual = KNOWN[name].side if name in KNOWN else DEFAULT_SIDE
    return model.input_size or usual


def _logins(options: argparse.Namespace, environment: Mapping[str, str]) -> dict[str, Login]:
    """User and password by host; that under "" is for every other host.

    Raises:
        ConfigError: One of the two is missing, or the file cannot be used.
    """
    logins = {} if options.logins is None else _from_file(options.logins)
    user, password = options.user or environment.get(USER), environment.get(PASSWORD)
    if password is not None and user is None:
        raise ConfigError(f"{PASSWORD} is set without a user; set {USER} or give --user")
    if user is not None:
        if password is None and not sys.stdin.isatty():
            raise ConfigError(f"there is no terminal to ask for the password of {user}; set {PASSWORD}")
        logins[""] = Login(user, getpass.getpass(f"Password of {user}: ") if password is None else password)
    for login in logins.values():
        known.keep(login.password)
    return logins


def _from_file(file: Path) -> dict[str, Login]:
    found: dict[str, Login] = {}
    for host, login in read_yaml(file).items():
        if not (
            isinstance(login, dict)
            and login.keys() == {"user", "password"}
            and all(isinstance(value, str) for value in login.values())
        ):
            raise ConfigError(f"{file}: {host}: must have the keys user and password, and no other")
        found["" if host == "all" else host] = Login(str(login["user"]), str(login["password"]))
    return found


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _json(found: list[FoundCamera], wish: Wish) -> str:
    return msgspec.json.format(msgspec.json.encode({"detector_side": wish.side, "cameras": found})).decode()


def _text(found: list[FoundCamera], wish: Wish, output: Path | None) -> str:
    text = configuration(found, wish.side, wish.login)
    if not text:
        return table(found)
    if output is not None:
        return f"{table(found)}\n\nThe configuration is in {output}."
    where = "Write each camera's user and password where USER:PASSWORD stands, or use --output FILE.\n"
    return f"{table(found)}\n\n* suits the detector. {where if EXAMPLE in text else ''}\n{text}".rstrip()


def _write(file: Path, text: str) -> None:
    try:
        with os.fdopen(open_new(file, PRIVATE), "w", encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        raise OutputError(f"--output {file}: cannot be written ({error.strerror})") from None
