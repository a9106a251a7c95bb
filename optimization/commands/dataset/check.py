"""`dataset check`: what is wrong with annotated pictures, or may be."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optimization import arguments
from optimization.command import Command
from optimization.commands.dataset import options
from optimization.dataset import contents
from optimization.dataset.check import NEAR, Finding, check
from optimization.dataset.reading import find
from optimization.dataset.texts import shown
from shared.errors import SourceError

_EXAMPLES = 3
_WIDTH = 200


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    options.add_dataset(parser)
    options.add_near(parser, NEAR)
    parser.add_argument("--strict", action="store_true", help="end with code 1 for warnings, too")
    parser.add_argument(
        "--sheet",
        type=Path,
        metavar="FILE",
        help="draw pictures with their boxes onto one page (.jpg or .png)",
    )
    parser.add_argument(
        "--sheet-pictures",
        type=arguments.positive,
        default=24,
        metavar="N",
        help="pictures on it (default: 24)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="of the choice for the sheet (default: 0)"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Examine a dataset and print what was found.

    Args:
        args: The options that `declare` declared.

    Raises:
        DarnerError: It cannot be read at all, or the sheet cannot be written.
    """
    from optimization.dataset import sheet

    options.refuse_negative(args.seed)
    sheet.claim(args.sheet, force=args.force)
    found = find(args.dataset)
    dataset = found.dataset
    print(f"{shown(args.dataset)}: {found.format}, {options.count(dataset)}")
    options.tell_lost(found)
    findings = check(found, contents.contents([item.path for item in dataset.items]), args.near)
    for one in findings:
        print(_told(one))
    faults = [one for one in findings if args.strict or one.level == "fault"]
    if not findings:
        print("nothing is wrong")
    if args.sheet:
        chosen = sheet.choose(dataset, args.sheet_pictures, args.seed)
        sheet.save(chosen, dataset.names, args.sheet)
        print(f"drawn: {args.sheet}: {len(chosen)} of {len(dataset.items)} pictures")
    return {
        "dataset": str(args.dataset),
        "format": found.format,
        "pictures": len(dataset.items),
        "objects": dataset.objects,
        "classes": list(dataset.names),
        "lost": found.lost,
        "findings": [one.document() for one in findings],
        "faults": sum(len(one.places) for one in faults),
    }


def judge(document: dict[str, Any]) -> None:
    """Raise an error where there are faults.

    Raises:
        SourceError: There are.
    """
    if document["faults"]:
        count = document["faults"]
        raise SourceError(
            f"{document['dataset']}: {count} {'fault' if count == 1 else 'faults'}, as listed above"
        )


def _told(one: Finding) -> str:
    return f"{one.level}: {one.title}: {len(one.places)} ({one.kind}): {_examples(one.places)}"


def _examples(places: Sequence[str]) -> str:
    listed = [text if len(text) <= _WIDTH else f"…{text[1 - _WIDTH :]}" for text in places[:_EXAMPLES]]
    return "; ".join(listed) + ("; ..." if len(places) > _EXAMPLES else "")


COMMAND = Command(
    name="check",
    help="find broken pictures, wrong boxes, unknown classes, copies, and leaks between splits",
    description="Examine annotated pictures: files, boxes, classes, copies, and whether splits leak. Each "
    "kind of finding is a line; --json has all of them. Ends with code 1 when there are faults.",
    declare=declare,
    run=run,
    judge=judge,
    needs=options.NEEDS,
)
