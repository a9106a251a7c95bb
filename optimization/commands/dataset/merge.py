"""`dataset merge`: several sets of annotated pictures made one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from optimization.command import Command
from optimization.commands.dataset import options
from optimization.dataset import writing
from optimization.dataset.merge import merge
from shared.errors import ConfigError

_NAMED = 3


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "datasets", nargs="+", type=Path, metavar="DATASET", help="what to join; the first gives the classes"
    )
    options.add_out(parser)
    parser.add_argument(
        "--rename",
        type=_renamed,
        default={},
        metavar="OLD=NEW,...",
        help="new names of classes; classes with one name become one",
    )


def _renamed(text: str) -> dict[str, str]:
    parts = [part.partition("=") for part in text.split(",")]
    pairs = [(old.strip(), new.strip()) for old, _, new in parts]
    if not all(old and new for old, new in pairs):
        raise argparse.ArgumentTypeError(
            f"{text!r} renames nothing; write OLD=NEW, with commas between pairs"
        )
    return dict(pairs)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Join datasets and print what they shared.

    Args:
        args: The options that `declare` declared.

    Raises:
        DarnerError: A dataset cannot be read, or the result not written.
    """
    if len(args.datasets) < 2:
        raise ConfigError("dataset merge: name at least two datasets")
    writing.claim(args.out)
    loaded = [(path, *options.load(path, args)) for path in args.datasets]
    titles = _titles(args.datasets)
    merged = merge(
        [(title, dataset) for title, (_, dataset, _) in zip(titles, loaded, strict=True)], args.rename
    )
    if merged.copies:
        print(f"once only: {merged.copies} pictures that are there with the same objects already")
    if merged.conflicts:
        print(
            f"warning: {len(merged.conflicts)} pictures are there with different objects; the first "
            f"dataset wins: {'; '.join(merged.conflicts[:_NAMED])}"
        )
    ways = {split != "" for _, dataset, _ in loaded for split in dataset.splits}
    if len(ways) > 1:
        print("warning: some datasets are split and some are not; divide the result with dataset split")
    saved = options.save(merged.dataset, loaded[0][2], args)
    return saved | {
        "classes": list(merged.dataset.names),
        "copies": merged.copies,
        "conflicts": list(merged.conflicts),
    }


def _titles(paths: list[Path]) -> list[str]:
    """A name for each dataset that no other has."""
    names = [path.resolve().name for path in paths]
    return [name if names.count(name) == 1 else f"{name} {number}" for number, name in enumerate(names, 1)]


COMMAND = Command(
    name="merge",
    help="make several datasets one: classes by name, copies once",
    description="Join annotated pictures. Classes are matched by name, pictures of the same name are kept "
    "apart, and copies are taken once.",
    declare=declare,
    run=run,
    needs=options.NEEDS,
)
