"""`dataset convert`: annotated pictures in another format."""

from __future__ import annotations

import argparse
from typing import Any

from optimization import arguments
from optimization.command import Command
from optimization.commands.dataset import options
from optimization.dataset import merge, writing
from shared.errors import ConfigError


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    options.add_dataset(parser)
    options.add_out(parser)
    parser.add_argument(
        "--classes",
        type=arguments.names,
        metavar="NAME,...",
        help="keep the objects of these classes only, in this order; pictures without them stay as examples "
        "of nothing",
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Convert and print what got lost.

    Args:
        args: The options that `declare` declared.

    Raises:
        DarnerError: The dataset cannot be read, or the result not written.
    """
    if args.to is None and not args.mend and not args.classes:
        raise ConfigError(
            "dataset convert: name a format with --to, or what to change with --mend or --classes"
        )
    writing.claim(args.out)
    dataset, form = options.load(args.dataset, args)
    if args.classes:
        dataset = merge.only(dataset, args.classes)
    return options.save(dataset, form, args)


COMMAND = Command(
    name="convert",
    help="write them as COCO, YOLO or Pascal VOC",
    description="Write annotated pictures in another format, or with other classes. Splits stay as they "
    "are. What the format cannot hold is said, with numbers.",
    declare=declare,
    run=run,
    needs=options.NEEDS,
)
