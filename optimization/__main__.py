"""`darner-optimize COMMAND ...`: prepare, measure and evaluate models.

Each file in `commands` is one command.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from optimization.commands import (
    benchmark,
    build,
    compare,
    convert,
    evaluate_counts,
    evaluate_detector,
    evaluate_tracker,
    evaluate_video,
    export,
    fp16,
    inspect_model,
    quantize,
    simplify,
    triton,
)
from optimization.commands.dataset import check as dataset_check
from optimization.commands.dataset import convert as dataset_convert
from optimization.commands.dataset import label as dataset_label
from optimization.commands.dataset import merge as dataset_merge
from optimization.commands.dataset import split as dataset_split
from optimization.commands.dataset import stats as dataset_stats
from optimization.commands.learning import adapt, train
from shared.errors import DarnerError
from shared.program import INTERRUPTED, UNREAD, called, nobody_reads

COMMANDS = (
    export.COMMAND,
    inspect_model.COMMAND,
    simplify.COMMAND,
    quantize.COMMAND,
    fp16.COMMAND,
    build.COMMAND,
    convert.COMMAND,
    benchmark.COMMAND,
    compare.COMMAND,
    triton.COMMAND,
    train.COMMAND,
    adapt.COMMAND,
)
EVALUATE = (
    evaluate_detector.COMMAND,
    evaluate_tracker.COMMAND,
    evaluate_video.COMMAND,
    evaluate_counts.COMMAND,
)
DATASET = (
    dataset_check.COMMAND,
    dataset_stats.COMMAND,
    dataset_split.COMMAND,
    dataset_merge.COMMAND,
    dataset_convert.COMMAND,
    dataset_label.COMMAND,
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=called("darner-optimize", "optimization"),
        description="Prepare, measure and evaluate models and trackers.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    evaluate = commands.add_parser("evaluate", help="score a part of the pipeline against ground truth")
    parts = evaluate.add_subparsers(required=True, metavar="PART")
    for command in EVALUATE:
        command.add_to(parts)
    dataset = commands.add_parser(
        "dataset", help="label pictures; examine, split, join and convert annotated ones"
    )
    parts = dataset.add_subparsers(required=True, metavar="COMMAND")
    for command in DATASET:
        command.add_to(parts)
    for command in COMMANDS:
        command.add_to(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments without the program's name; None takes those of the process.

    Returns:
        The exit code: 0, or the error's code after printing the error on one line, `INTERRUPTED`, or
        `UNREAD`.
    """
    args = _parser().parse_args(argv)
    try:
        args.perform(args)
        sys.stdout.flush()
    except DarnerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        nobody_reads()
        if args.json or getattr(args, "output", None):
            print("error: standard output was closed; what was not complete was not kept", file=sys.stderr)
        return UNREAD
    except KeyboardInterrupt:
        print("error: interrupted; what was not complete was not kept", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
