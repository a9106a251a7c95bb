"""`darner-optimize COMMAND ...`: prepare, measure and evaluate models.

Each command is one file with `add_to(subparsers)`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from optimization.commands import (
    benchmark,
    build,
    compare,
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
from shared.errors import DarnerError
from shared.program import called


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=called("darner-optimize", "optimization"),
        description="Prepare, measure and evaluate models and trackers.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    evaluate = commands.add_parser("evaluate", help="score a part of the pipeline against ground truth")
    parts = evaluate.add_subparsers(required=True, metavar="PART")
    evaluate_detector.add_to(parts)
    evaluate_tracker.add_to(parts)
    evaluate_video.add_to(parts)
    export.add_to(commands)
    inspect_model.add_to(commands)
    simplify.add_to(commands)
    quantize.add_to(commands)
    fp16.add_to(commands)
    build.add_to(commands)
    benchmark.add_to(commands)
    compare.add_to(commands)
    triton.add_to(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments without the program's name; None for those of the process.

    Returns:
        The exit code: 0, or that of the error, which is printed as one line.
    """
    args = _parser().parse_args(argv)
    try:
        args.run(args)
    except DarnerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
