"""What all commands share: how they are declared, what they need, and where their results go."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimization import files
from shared.errors import ConfigError, DarnerError, ModelError
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
        folders: Whether --model may be a folder, for which the command runs model by model.
        needs: Packages without which the command cannot run.
        extra: The extra of this project that installs them.
        epilog: Text below the options in --help.
        judge: Raises an error about results that are bad, once they are written.
    """

    name: str
    help: str
    description: str
    declare: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], dict[str, Any]]
    folders: bool = False
    needs: tuple[str, ...] = ()
    extra: str = "optimize"
    epilog: str | None = None
    judge: Callable[[dict[str, Any]], None] | None = None

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
        need(*self.needs, extra=self.extra)
        many = self.folders and files.is_folder(args.model)
        document = self._each(args) if many else self.run(args)
        files.save_json(args.json, document)
        if failed := document.get("failed"):
            raise ModelError(f"{failed} of {len(document['models'])} models could not be {document['verb']}")
        if self.judge:
            self.judge(document)

    def _each(self, args: argparse.Namespace) -> dict[str, Any]:
        """Run the command for every model of a folder; one that fails does not stop the others."""
        output = getattr(args, "output", None)
        if output is not None:
            try:
                output.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigError(f"--output {output}: is no folder ({error.strerror})") from None
        rows: list[dict[str, Any]] = []
        for path in files.models(Path(args.model)):
            print(f"== {path}")
            row: dict[str, Any] = {"model": str(path)}
            try:
                row |= self.run(argparse.Namespace(**(vars(args) | {"model": str(path)})))
            except DarnerError as error:
                row["why"] = str(error)
                print(f"failed: {error}")
            except Exception as error:  # noqa: BLE001 - whatever one file causes must not stop the others
                row["why"] = f"{type(error).__name__}: {error}"
                print(f"failed: {row['why']}")
            rows.append(row)
        return {"models": rows} | failures(rows, "done")


def failures(rows: list[dict[str, Any]], verb: str) -> dict[str, Any]:
    """How many models failed, and what could not be done to them; empty when all is well.

    Args:
        rows: One for each model; those that failed say "why".
        verb: Such as "converted".
    """
    failed = sum("why" in row for row in rows)
    return {"failed": failed, "verb": verb} if failed else {}
