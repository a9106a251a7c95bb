"""`python -m tests.document_commands`: write docs/reference/commands.md from the programs' own parsers.

``--check`` only says whether the page is stale. This program lives among the tests because no part of the
project may import all the others.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import broker.__main__
import broker.certificates
import broker.roles
import edge_node.__main__
import optimization.__main__
import shared.conformance.__main__
import shared.fleet.__main__
import shared.replay.__main__
import viewer_server.__main__
import viewer_server.archive.__main__
from tests.docs import written

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "commands.md"


@dataclass(frozen=True)
class Program:
    """A program that users start.

    Attributes:
        command: The console command; None where there is none.
        module: What follows `python -m`.
        main: Its entry point.
        first: The words that come before its own options.
    """

    command: str | None
    module: str
    main: Callable[[list[str]], object]
    first: tuple[str, ...] = ()

    def parser(self) -> argparse.ArgumentParser:
        """The parser that the program builds, taken at the moment when it would parse."""
        with mock.patch.object(argparse.ArgumentParser, "parse_args", _stop):
            try:
                self.main([*self.first])
            except _Built as built:
                return built.parser
        raise AssertionError(f"{self.module} parses no command line")

    @property
    def words(self) -> tuple[str, ...]:
        """What users type before the options."""
        return (self.command or f"python -m {self.module}", *self.first)


PROGRAMS = (
    Program("darner-edge", "edge_node", edge_node.__main__.main),
    Program("darner-edge", "edge_node", edge_node.__main__.main, ("process",)),
    Program("darner-edge", "edge_node", edge_node.__main__.main, ("models",)),
    Program("darner-edge", "edge_node", edge_node.__main__.main, ("discover",)),
    Program("darner-edge", "edge_node", edge_node.__main__.main, ("doctor",)),
    Program("darner-edge", "edge_node", edge_node.__main__.main, ("forget",)),
    Program("darner-viewer", "viewer_server", viewer_server.__main__.main),
    Program("darner-archive", "viewer_server.archive", viewer_server.archive.__main__.main),
    Program("darner-broker", "broker", broker.__main__.main),
    Program(None, "broker.certificates", broker.certificates.main),
    Program(None, "broker.roles", broker.roles.main),
    Program("darner-optimize", "optimization", optimization.__main__.main),
    Program("darner-replay", "shared.replay", shared.replay.__main__.main),
    Program("darner-conformance", "shared.conformance", shared.conformance.__main__.main),
    Program("darner-fleet", "shared.fleet", shared.fleet.__main__.main),
)

_INTRO = """\
# Commands
<!-- Written by `make docs` from the programs' own parsers: change those. -->

Every console command is also a module: in a checkout, `darner-edge` is `python -m edge_node`. Every command
has `--help`.

| command | in a checkout |
|---|---|
"""


class _Built(Exception):  # noqa: N818 - it carries a parser out, and no error
    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


def _stop(self: argparse.ArgumentParser, *_: object) -> None:
    raise _Built(self)


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run; the process's exit code."""
    return written.run("tests.document_commands", __doc__, PAGE, page, arguments)


def page() -> str:
    """The whole page."""
    rows = {program.module: program for program in PROGRAMS if not program.first}
    index = [
        f"| {f'`{row.command}`' if row.command else ''} | `python -m {module}` |\n"
        for module, row in rows.items()
    ]
    parts = [_INTRO, *index]
    for program in PROGRAMS:
        for words, parser in _commands(program.words, program.parser()):
            parts.append(f"\n## {' '.join(words)}\n{_described(parser)}{_table(parser)}")
    return "".join(parts)


def _commands(
    words: tuple[str, ...], parser: argparse.ArgumentParser
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """The command itself, or the commands below it where it only holds others."""
    inner = subcommands(parser)
    if not inner:
        yield words, parser
    for name, child in inner.items():
        yield from _commands((*words, name), child)


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers below a parser, by name."""
    for action in actions(parser):
        if isinstance(action, argparse._SubParsersAction):  # argparse has no public way to ask
            for listed in action._choices_actions:
                parser = action.choices[listed.dest]
                parser.description = parser.description or f"{listed.help or ''}."
            return dict(action.choices)
    return {}


def actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """The options and arguments of a parser, without `--help`."""
    return [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]


def _described(parser: argparse.ArgumentParser) -> str:
    text = " ".join((parser.description or "").split()).replace("``", "`")
    # Module docstrings begin with the command itself, which is the heading here.
    text = re.sub(r"^`(python -m |darner-)[^`]*`[^:]*: ", "", text)
    return f"{text[:1].upper()}{text[1:]}\n" if text else ""


def _table(parser: argparse.ArgumentParser) -> str:
    rows = [_row(action) for action in actions(parser) if action.help is not argparse.SUPPRESS]
    if not rows:
        return ""
    return "\n| option | meaning |\n|---|---|\n" + "".join(rows)


def _row(action: argparse.Action) -> str:
    value = _value(action)
    names = [f"{name} {value}".strip() for name in action.option_strings] or [value]
    meaning = [(action.help or "") % {**vars(action), "prog": ""}]
    if action.choices is not None:
        meaning.append("one of " + ", ".join(f"`{choice}`" for choice in action.choices))
    if action.required and action.option_strings:
        meaning.append("required")
    default = _default(action)
    if default and "default" not in meaning[0]:
        meaning.append(f"default `{default}`")
    cells = ", ".join(f"`{name}`" for name in names), "; ".join(part for part in meaning if part)
    return "| {} | {} |\n".format(*(cell.replace("|", "\\|") for cell in cells))


def _default(action: argparse.Action) -> str:
    """The value that an option has when it is left out; empty where that says nothing."""
    if action.nargs == 0 or action.default in (None, argparse.SUPPRESS):
        return ""
    given = action.default if isinstance(action.default, list | tuple) else [action.default]
    return ",".join(str(part) for part in given if part is not None)


def _value(action: argparse.Action) -> str:
    """What stands behind an option, or for an argument, in the style of `--help`."""
    if action.nargs == 0:
        return ""
    if action.metavar is not None:
        name = action.metavar if isinstance(action.metavar, str) else " ".join(action.metavar)
    else:
        name = action.dest.upper()
    return f"{name}..." if action.nargs in ("+", "*") else name


if __name__ == "__main__":
    sys.exit(main())
