"""`dataset stats`: what annotated pictures show, and how much of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from optimization import files
from optimization.command import Command
from optimization.commands.dataset import options
from optimization.dataset.labelled import digest
from optimization.dataset.reading import find
from optimization.dataset.stats import SIZES, Stats, stats
from optimization.dataset.texts import shown


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    options.add_dataset(parser)
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help="draw classes, sizes, numbers and aspects (.png, .svg or .pdf)",
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Count and print the tables.

    Args:
        args: The options that `declare` declared.

    Raises:
        DarnerError: The dataset cannot be read, or the picture not written.
    """
    files.claim_picture(args.plot, "--plot", force=args.force)
    found = find(args.dataset)
    dataset = found.dataset
    print(f"{shown(args.dataset)}: {found.format}, {options.count(dataset)}")
    if found.problems:
        print(
            f"warning: {len(found.problems)} annotations or pictures were skipped; dataset check lists them"
        )
    by_split = {split: stats(dataset.part(split)) for split in dataset.splits}
    whole = stats(dataset)
    print(_by_split(by_split, whole))
    print(_by_class(whole))
    if args.plot:
        from optimization.dataset import plot

        plot.save(by_split, args.plot, f"{args.dataset.resolve().name}: {options.count(dataset)}")
        print(f"drawn: {args.plot}")
    return {
        "dataset": str(args.dataset),
        "format": found.format,
        "digest": digest(dataset),
        **whole.document(),
        "splits": {split: one.document() for split, one in by_split.items() if split},
    }


def _by_split(by_split: dict[str, Stats], whole: Stats) -> str:
    columns = ("pictures", "empty", "objects", "each", *SIZES)
    lines = [f"\n{'':<22}" + "".join(f"{title:>10}" for title in columns)]
    rows = {**by_split, "all": whole} if len(by_split) > 1 else {next(iter(by_split)) or "all": whole}
    for split, one in rows.items():
        objects = int(one.objects.sum())
        sizes = one.classes_by_size.sum(axis=0).tolist()
        mean = f"{objects / max(1, one.pictures):.1f}"
        cells = (one.pictures, one.empty, objects, mean, *sizes)
        lines.append(f"{split[:21]:<22}" + "".join(f"{cell:>10}" for cell in cells))
    return "\n".join(lines)


def _by_class(whole: Stats) -> str:
    columns = ("objects", "pictures", *SIZES)
    lines = [f"\n{'class':<22}" + "".join(f"{title:>10}" for title in columns)]
    for kind in sorted(range(len(whole.names)), key=lambda kind: -whole.objects[kind]):
        cells = (whole.objects[kind], whole.spread[kind], *whole.classes_by_size[kind].tolist())
        lines.append(f"{whole.names[kind][:21]:<22}" + "".join(f"{cell:>10}" for cell in cells))
    return "\n".join(lines)


COMMAND = Command(
    name="stats",
    help="count classes, sizes of boxes, and objects in a picture, split by split",
    description="Count what annotated pictures show. Sizes are COCO's: small is below 32x32 pixels, large "
    "from 96x96 on. Crowds do not count.",
    declare=declare,
    run=run,
    needs=options.NEEDS,
)
