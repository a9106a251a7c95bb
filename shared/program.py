"""What every command line needs: its name, a parser, and one line about packages that are missing."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from shared.errors import ConfigError
from shared.secrets.redact import redact

INTERRUPTED = 130
"""Exit code after Ctrl-C, as in shells."""
UNREAD = 141
"""Exit code when standard output was closed before the work was done, as in shells."""


def called(command: str, module: str) -> str:
    """How the user started this program: by its console command or with `python -m`.

    Args:
        command: The console command, such as ``darner-edge``.
        module: The module that `python -m` runs.
    """
    return command if Path(sys.argv[0]).stem == command else f"python -m {module}"


def need(*modules: str, extra: str) -> None:
    """Make sure of optional packages before they are imported, which could only fail with a traceback.

    Args:
        modules: Importable names.
        extra: The extra of this project that installs them.

    Raises:
        ConfigError: One is not installed; the text says what to install.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"this command needs {' and '.join(missing)}: install 'darner[{extra}]'")


def nobody_reads() -> None:
    """Take in that standard output was closed, as `head` does: not even the exit may write to it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _StoreOnce(argparse.Action):
    """Stores a value; an option that stands twice is an error, because the first would be lost."""

    _given: argparse.Namespace | None = None

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option: str | None = None,
    ) -> None:
        if self._given is namespace:
            parser.error(f"{option or self.dest} stands twice; leave one out")
        self._given = namespace
        setattr(namespace, self.dest, values)


class Parser(argparse.ArgumentParser):
    """A parser that loses no option, and whose errors repeat no value that could be a secret."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        for name in (None, "store"):
            self.register("action", name, _StoreOnce)

    def error(self, message: str) -> NoReturn:
        """Print the usage and what is wrong, and exit."""
        head, colon, words = message.partition("unrecognized arguments: ")
        if colon:
            options = [word.partition("=")[0] for word in words.split() if word.startswith("-")]
            unknown = f"unknown: {' '.join(options)}" if options else "there is a word that no option takes"
            message = f"{head}{unknown}; {self.prog} --help lists the options"
        super().error(redact(message))
