"""What all commands share: how they are declared, what they need, and where their results go."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimization import files
from shared.program import need

if TYPE_CHECKING:
    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of `darner-optimize`.

    Attributes:
        name: What users type.
        help: One line in the list of commands.
        description: What the command's own --help says.
        declare: Adds the command's options to its parser; --json and --force are added to all commands.
        run: Does the work and returns the document for --json.
        needs: Packages without which the command cannot run.
        epilog: Text below the options in --help.
    """

    name: str
    help: str
    description: str
    declare: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], dict[str, Any]]
    needs: tuple[str, ...] = ()
    epilog: str | None = None

    def add_to(self, subparsers: SubParsers) -> None:
        """Add the command to the command line."""
        parser = subparsers.add_parser(
            self.name, help=self.help, description=self.description, epilog=self.epilog
        )
        self.declare(parser)
        parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results here")
        parser.add_argument("--force", action="store_true", help="overwrite files that exist")
        parser.set_defaults(perform=self.perform)

    def perform(self, args: argparse.Namespace) -> None:
        """Run the command and write its results.

        Args:
            args: The parsed options.

        Raises:
            DarnerError: A package is missing, a file cannot be used or written, or the work failed.
        """
        files.claim(args.json, force=args.force)
        need(*self.needs, extra="optimize")
        files.save_json(args.json, self.run(args))
