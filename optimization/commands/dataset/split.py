"""`dataset split`: annotated pictures divided into training, validation and test."""

from __future__ import annotations

import argparse
from typing import Any

from optimization import arguments
from optimization.command import Command
from optimization.commands.dataset import options
from optimization.dataset import contents, writing
from optimization.dataset.check import NEAR

_NAMED = 5


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    options.add_dataset(parser)
    options.add_out(parser)
    parser.add_argument(
        "--shares",
        type=options.shares,
        default="train=80,val=20",
        metavar="NAME=SHARE,...",
        help="the splits (default: %(default)s)",
    )
    parser.add_argument(
        "--group",
        default="auto",
        metavar="auto|folder|picture|PATTERN",
        help="what must stay in one split: what file names and looks say, folders, each picture by itself, "
        "or what a regular expression finds in the path (default: auto)",
    )
    parser.add_argument(
        "--blocks",
        type=arguments.positive,
        metavar="N",
        help="cut each group into N parts in the order of names, for the film of one camera; then pictures "
        "that look alike are not kept together",
    )
    options.add_near(parser, NEAR)
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="same seed, same splits (default: 0)"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Split and print what each part got.

    Args:
        args: The options that `declare` declared.

    Raises:
        DarnerError: The dataset cannot be read or divided, or the result not written.
    """
    from optimization.dataset import scenes, split

    options.refuse_negative(args.seed)
    writing.claim(args.out)
    dataset, form = options.load(args.dataset, args)
    seen = contents.contents([item.path for item in dataset.items])
    groups = scenes.scenes(dataset, seen, args.group, -1 if args.blocks else args.near)
    if args.blocks:
        groups = scenes.blocks(dataset, groups, args.blocks)
    done = split.divide(dataset, groups, args.shares, args.seed)
    print(f"{done.groups} groups; the largest has {done.largest} pictures")
    report: dict[str, Any] = {}
    for name, share in args.shares.items():
        part = done.dataset.part(name)
        report[name] = {"pictures": len(part.items), "objects": part.objects}
        got, want = 100 * len(part.items) / len(dataset.items), 100 * share
        print(
            f"{name:<10}{len(part.items):>8} pictures{part.objects:>9} objects{got:>7.1f} % of {want:.0f} %"
        )
    for name, lacking in list(done.lacking.items())[:_NAMED]:
        print(
            f"warning: the class {name} has no object in {', '.join(lacking)}: its objects are in too few "
            "groups"
        )
    if len(done.lacking) > _NAMED:
        print(
            f"warning: {len(done.lacking) - _NAMED} more classes have no object in some split; --json has "
            "them"
        )
    saved = options.save(done.dataset, form, args)
    return saved | {"splits": report, "groups": done.groups, "seed": args.seed, "lacking": done.lacking}


COMMAND = Command(
    name="split",
    help="divide them into training, validation and test, video by video",
    description="Divide annotated pictures so that no video, camera or scene, and no two pictures that "
    "look alike, are in two splits, and that each split gets its share of every class.",
    declare=declare,
    run=run,
    needs=options.NEEDS,
)
