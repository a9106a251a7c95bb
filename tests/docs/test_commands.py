"""Every command that the documentation shows exists: program, subcommand, options, module and make target."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import document_commands, document_models, document_rest
from tests.conftest import REPO
from tests.docs import document_metrics
from tests.docs.pages import Block, blocks, pages, prose
from tests.document_commands import PROGRAMS, Program, actions, subcommands

SHELLS = ("sh", "bash", "console")
OURS = ("edge_node", "viewer_server", "broker", "optimization", "shared", "tests")
"""Top-level packages whose modules are checked; anything else after `python -m` is somebody else's."""
ENDS = {"|", "||", "&&", ";", "&", ">", ">>", "<", "2>", "do", "done", "then", "fi", "("}
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (REPO / "Makefile").read_text(), re.MULTILINE))
SHOWN = [block for page in pages() for block in blocks(page) if block.language in SHELLS]
PARSERS = {program: program.parser() for program in PROGRAMS}


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a shell block, each as its words, without redirections, comments and variables."""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        lexer.commenters = "#"
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word in ENDS:
                if words:
                    yield words
                words = []
            elif words or not re.fullmatch(r"[A-Z_]+=.*", word):
                words.append(word)


def wrong(words: list[str]) -> str | None:
    """What is wrong with a command of ours; None for a good one, or one of somebody else's."""
    first = Path(words[0]).name
    if first.startswith("darner-"):
        return wrong_call([first], words[1:])
    if first == "make":
        names = [word for word in words[1:] if "=" not in word and not word.startswith("-")]
        missing = [name for name in names if name not in TARGETS]
        return f"make has no target {missing[0]}" if missing else None
    if first.startswith("python"):
        if words[1:2] == ["-m"] and words[2].partition(".")[0] in OURS:
            return wrong_call(["-m", words[2]], words[3:])
        if words[1:2] and words[1].endswith(".py") and words[1].startswith("tests/"):
            return None if (REPO / words[1]).exists() else f"there is no {words[1]}"
    return None


def wrong_call(name: list[str], arguments: list[str]) -> str | None:
    """What is wrong with a call of one of our programs or modules."""
    if arguments == ["doctor"] and name in (["darner-edge"], ["-m", "edge_node"]):
        return None
    program = chosen(name, arguments)
    if program is None:
        if name[0] == "-m" and importlib.util.find_spec(name[1]) is not None:
            return None
        return f"there is no program {' '.join(name)}"
    rest = arguments[len(program.first) :]
    if "--help" in rest:
        return None
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.suppress(SystemExit):
        PARSERS[program].parse_args(rest)
        return None
    return said.getvalue().splitlines()[-1]


def chosen(name: list[str], arguments: list[str]) -> Program | None:
    """The program that a call starts: that with the most words of its own in front."""
    found = [
        program
        for program in PROGRAMS
        if (program.command == name[0] or ["-m", program.module] == name)
        and tuple(arguments[: len(program.first)]) == program.first
    ]
    return max(found, key=lambda program: len(program.first), default=None)


@pytest.mark.parametrize("block", SHOWN, ids=str)
def test_a_shown_command_can_be_typed(block: Block) -> None:
    problems = [problem for words in commands(block.text) if (problem := wrong(words))]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(REPO)))
def test_a_command_that_a_sentence_names_exists(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        pytest.skip("it names what was, too")
    for code in re.findall(r"`([^`\n]+)`", prose(page)):
        words = code.replace("[", " ").replace("]", " ").split()
        if words[:1] == ["make"]:
            assert not [problem for call in commands(code) if (problem := wrong(call))], code
        if words[:2] == ["python", "-m"] and words[2].partition(".")[0] in OURS:
            name, rest = ["-m", words[2]], words[3:]
        elif words and words[0].startswith("darner-") and not words[0].endswith("-"):
            name, rest = [words[0]], words[1:]
        else:
            continue
        problem = unknown_words(name, rest)
        assert problem is None, f"`{code}`: {problem}"


def unknown_words(name: list[str], rest: list[str]) -> str | None:
    """The first option or subcommand that a program does not have, of a call that is only sketched."""
    if rest[:1] == ["doctor"]:
        return None
    program = chosen(name, rest)
    if program is None:
        return wrong_call(name, rest)
    parser, rest = PARSERS[program], rest[len(program.first) :]
    while rest and (inner := subcommands(parser)):
        names = rest[0].split("|")
        if rest[0].isupper():  # a placeholder
            return None
        missing = [one for one in names if one not in inner]
        if missing:
            return f"no command {missing[0]!r}"
        parser, rest = inner[names[0]], rest[1:]
    known = {option for action in actions(parser) for option in action.option_strings} | {"--help"}
    return next((f"no option {word}" for word in rest if word.startswith("--") and word not in known), None)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        pytest.param("python -m edge_node --watch 0", "--watch", id="an unknown option"),
        pytest.param("python -m shared.schema", "no program", id="a module that has moved"),
        pytest.param("darner-replay rewind x --broker URL", "rewind", id="an unknown subcommand"),
        pytest.param("darner-wash", "no program", id="an unknown program"),
        pytest.param("DEMO_SECONDS=20 make dmeo", "no target dmeo", id="an unknown target"),
        pytest.param(
            ".venv/bin/python tests/bench/none.py", "tests/bench/none.py", id="a script that is gone"
        ),
        pytest.param("cd x && darner-viewer --prot 1", "--prot", id="the second command of a line"),
    ],
)
def test_a_wrong_command_is_noticed(line: str, says: str) -> None:
    problems = [problem for words in commands(line) if (problem := wrong(words))]
    assert len(problems) == 1
    assert says in problems[0]


@pytest.mark.parametrize(
    "line",
    [
        "darner-edge --source 0 --set model.classes=[person]   # a comment",
        "darner-edge doctor",
        "python -m edge_node process a.mp4 b.mp4 --out results --annotate",
        "python -m shared.replay play x --broker URL --loop \\\n  --now",
        "mosquitto_sub -t 'darner/v1/#' | jq -c '[.zone]'",
        'make test ARGS="tests/shared -k hung"',
    ],
)
def test_a_right_command_passes(line: str) -> None:
    assert not [problem for words in commands(line) if (problem := wrong(words))]


def test_the_console_commands_are_those_that_the_package_installs() -> None:
    scripts = re.search(
        r"^\[project\.scripts\]\n((?:[\w-]+ = .*\n)+)", (REPO / "pyproject.toml").read_text(), re.M
    )
    assert scripts is not None
    installed = dict(re.findall(r'^([\w-]+) = "([\w.]+):', scripts[1], re.MULTILINE))
    shown = {program.command: program.module for program in PROGRAMS if program.command}
    assert installed.keys() == shown.keys()
    for command, module in installed.items():
        assert module.removesuffix(".__main__").startswith(shown[command])


@pytest.mark.parametrize(
    "writer",
    [document_commands, document_metrics, document_models, document_rest],
    ids=lambda writer: writer.PAGE.name,
)
def test_the_generated_pages_are_those_of_this_code(writer: object) -> None:
    assert writer.main(["--check"]) == 0, "run: make docs"  # type: ignore[attr-defined]  # two modules alike
