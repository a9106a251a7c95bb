from __future__ import annotations

import sys

import pytest

from shared.errors import ConfigError
from shared.program import Parser, called, need


@pytest.mark.parametrize(
    ("first", "name"),
    [
        ("/home/me/.local/bin/darner-edge", "darner-edge"),
        (r"darner-edge.exe", "darner-edge"),
        ("/src/edge_node/__main__.py", "python -m edge_node"),
        ("/usr/bin/pytest", "python -m edge_node"),
    ],
)
def test_a_program_is_named_as_it_was_called(monkeypatch: pytest.MonkeyPatch, first: str, name: str) -> None:
    monkeypatch.setattr(sys, "argv", [first])
    assert called("darner-edge", "edge_node") == name


def test_a_missing_package_is_named_with_what_installs_it() -> None:
    need("json", extra="optimize")
    with pytest.raises(ConfigError, match=r"needs no_such_package: install 'darner\[optimize\]'"):
        need("json", "no_such_package", extra="optimize")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["rtsp://me:pw@cam/1"], "there is a word that no option takes"),
        (["--sett", "mqtt.password", "pw"], "unknown: --sett"),
        (["--unknown=pw"], "unknown: --unknown"),
        (["--s=rtsp://me:pw@cam/1"], "ambiguous option: --s=rtsp://cam/1"),
    ],
)
def test_a_wrong_command_line_is_not_repeated_where_it_could_hold_a_secret(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = Parser(prog="darner-edge")
    parser.add_argument("--set")
    parser.add_argument("--source")
    with pytest.raises(SystemExit):
        parser.parse_args(words)
    said = capsys.readouterr().err
    assert says in said
    assert "pw" not in said


def test_an_option_that_stands_twice_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser()
    parser.add_argument("--source")
    for _ in range(2):
        assert parser.parse_args(["--source", "0"]).source == "0"
    with pytest.raises(SystemExit):
        parser.parse_args(["--source", "0", "--source", "rtsp://me:pw@cam/1"])
    said = capsys.readouterr().err
    assert "--source stands twice; leave one out" in said
    assert "pw" not in said
