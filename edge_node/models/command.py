"""`darner-edge models`: list the known models, get one into the cache, or remove it."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edge_node.assets.known import KnownModel
from edge_node.assets.models import path_of
from edge_node.config import load
from edge_node.config.model_settings import ModelSettings
from edge_node.models.fetching import get, named, remove
from edge_node.models.listing import listing, text
from edge_node.models.speeds import Speeds
from shared import log as logs
from shared.errors import DarnerError
from shared.program import INTERRUPTED, Parser, called, nobody_reads

log = logging.getLogger("darner.models")


def main(arguments: Sequence[str]) -> int:
    """Parse the command line and run; return the process's exit code."""
    options = _parser().parse_args(arguments)
    logs.setup("WARNING")
    try:
        print(options.perform(options), flush=True)
    except BrokenPipeError:  # who reads has seen enough
        nobody_reads()
    except DarnerError as error:
        log.error("%s", error)
        return error.exit_code
    except KeyboardInterrupt:
        log.error("interrupted; what was not complete was not kept")
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=_command(), description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shown = commands.add_parser(
        "list", help="show accuracy, time, licence and place of every known model, and which one auto takes"
    )
    shown.add_argument("--config", type=Path, metavar="FILE", help="YAML file of the node it is for")
    shown.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key")
    shown.add_argument("--measure", action="store_true", help="time every model that is here anew")
    shown.set_defaults(perform=_list)
    fetched = commands.add_parser("get", help="download a model, try it, and keep it in the cache")
    fetched.add_argument("name", metavar="NAME", help="its name in the list")
    fetched.set_defaults(perform=_get)
    removed = commands.add_parser("remove", help="delete a model from the cache")
    removed.add_argument("name", metavar="NAME", help="its name in the list")
    removed.set_defaults(perform=_remove)
    for one in (shown, fetched, removed):
        one.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _command() -> str:
    return f"{called('darner-edge', 'edge_node')} models"


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value)).decode()


def _list(options: argparse.Namespace) -> str:
    config = load.configuration(options.config, options.set)
    found = listing(config.model, config.cameras, measure=options.measure)
    return _json(found) if options.json else text(found, _command())


def _get(options: argparse.Namespace) -> str:
    known = named(options.name)
    if known.download is not None and not path_of(known).is_file() and not options.json:
        print(_announced(known), file=sys.stderr)
    got = get(options.name)
    speed = Speeds().measured(known, ModelSettings(), again=got.downloaded)
    if options.json:
        return _json(
            {
                "name": known.name,
                "path": str(got.path),
                "downloaded": got.downloaded,
                "ms": speed.ms,
                "engine": speed.engine,
                "device": speed.device,
            }
        )
    place = "comes with Darner" if known.built_in else f"is {'now ' if got.downloaded else ''}at {got.path}"
    return (
        f"{known.name} {place}; it takes {speed.ms:.1f} ms for a frame here. "
        f"Use it with model.name: {known.name}, or leave the choice to model.name: auto."
    )


def _announced(known: KnownModel) -> str:
    """What is said before a model is fetched: whose it is, and what is known of the file."""
    assert known.download is not None  # noqa: S101 - for mypy: the caller has looked
    file = known.download
    size = f", {file.size / 1e6:.1f} MB" if file.size else ""
    trust = (
        f"its SHA-256 is known ({file.pinned_by})"
        if file.sha256
        else "no checksum of it is published, so it is trusted on first use"
    )
    return (
        f"{known.title}: code {known.code.name}, weights {known.weights.name}{size}. "
        f"The file is by {file.by}; {trust}.\n{file.url}"
    )


def _remove(options: argparse.Namespace) -> str:
    path = remove(options.name)
    return _json({"name": options.name, "path": str(path)}) if options.json else f"removed {path}"
