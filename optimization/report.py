"""What every evaluation has in common: the table, and a JSON file that is never overwritten by accident."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from shared.errors import ConfigError

_COLUMNS = ("hota", "deta", "assa", "mota", "idf1")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --json and --force."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the scores here as well")
    parser.add_argument("--force", action="store_true", help="overwrite FILE if it exists")


def check(args: argparse.Namespace) -> None:
    """Refuse before the work what could not be written after it.

    Raises:
        ConfigError: The JSON file exists and --force was not given.
    """
    if args.json and args.json.exists() and not args.force:
        raise ConfigError(f"{args.json}: exists already; add --force to overwrite it")


def header() -> str:
    """The table's first line."""
    return f"{'':<20}{'HOTA':>7}{'DetA':>7}{'AssA':>7}{'MOTA':>7}{'IDF1':>7}{'IDsw':>7}"


def row(name: str, scores: dict[str, float]) -> str:
    """One line of the table."""
    numbers = "".join(f"{scores[key]:7.1f}" for key in _COLUMNS)
    return f"{name:<20}{numbers}{scores['idsw']:7d}"


def write(args: argparse.Namespace, document: dict[str, Any]) -> None:
    """Write the JSON file, if one was asked for.

    Raises:
        ConfigError: It cannot be written.
    """
    if not args.json:
        return
    try:
        args.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{args.json}: cannot be written ({error.strerror})") from None
