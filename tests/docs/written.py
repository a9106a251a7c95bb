"""Pages that are written from the code: `make docs` writes them, and tests check that they are current."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path


def run(
    program: str,
    description: str | None,
    page: Path,
    text: Callable[[], str],
    arguments: Sequence[str] | None,
) -> int:
    """Parse the command line of a program that writes a page, and run it; the process's exit code.

    Args:
        program: The program's name, as `python -m` takes it.
        description: What it does.
        page: The file that it writes.
        text: Makes the whole text.
        arguments: The command line; None: that of the process.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=description)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the page is stale")
    options = parser.parse_args(arguments)
    made = text()
    if page.exists() and page.read_text() == made:
        return 0
    if options.check:
        print(f"{page} is stale; run: make docs", file=sys.stderr)
        return 1
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(made)
    print(f"wrote {page}")
    return 0
