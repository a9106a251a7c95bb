"""YAML files: no key twice, no tags, and errors that show no content."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.configuration import declared
from shared.configuration.yaml_file import Plain, parse, read_yaml
from shared.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: 2\na: 3", "f: a stands twice, in line 1 and in line 3; rename or remove one of them"),
        ("m:\n  door: {}\n  till: {}\n  door: {}", "f: m.door stands twice, in line 2 and in line 4"),
        ("m: [{x: 1, x: 1}]", "f: m.0.x stands twice, in line 1 and in line 1"),
        ("'a': 1\na: 2", "f: a stands twice"),
        ("{m: &m {z: 1}, n: {<<: *m, z: 2, z: 3}}", "f: n.z stands twice"),
        ("? [a]\n: 1", "f: line 1: a list or section cannot be a key"),
        ("a: {<<: 1}", "f: line 1: << takes a section with keys"),
    ],
)
def test_a_key_that_stands_twice_is_an_error_with_both_lines(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "f")
    assert says in str(caught.value)


def test_merge_keys_and_aliases_are_no_repetition() -> None:
    text = "base: &b {x: 1, y: 2}\nmore: &m {y: 3}\none: {<<: *b, x: 9}\ntwo: {<<: [*m, *b]}\nthree: *b"
    read = parse(text, "f")
    assert read["one"] == {"x": "9", "y": "2"}
    assert read["two"] == {"x": "1", "y": "3"}, "the first of several wins"
    assert read["three"] == read["base"] == {"x": "1", "y": "2"}


def test_only_unquoted_scalars_are_plain() -> None:
    read = parse("[1, '1', \"1\", !!str 1, |-\n 1\n]".replace("|-\n 1\n", "x"), "f")
    assert [isinstance(item, Plain) for item in read] == [True, False, False, False, True]


def test_a_number_that_cannot_be_exact_stays_a_text() -> None:
    for text in ("1e999", "9" * 17, "1_0e9999"):
        assert declared.typed(float, Plain(text)) == text
    assert declared.typed(float, Plain("1_0e2")) == 1000


def test_a_bomb_of_merge_keys_stays_small() -> None:
    lines = ["a0: &a0 {x: 1}", *(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, 60))]
    assert parse("\n".join(lines), "f")["a59"] == {"x": "1"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a: caf\xe9\n", "line 1 is not UTF-8 text; save the file as UTF-8"),
        (b"a: b\x00c", "a control character"),
        (b"a: 1\n---\nb: 2", "line 2, column 1: another document begins; leave out the line '---'"),
    ],
)
def test_a_file_that_is_no_text_is_one_line(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "f.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=says):
        read_yaml(file)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_may_have_any_encoding_that_says_what_it_is(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("name: café\r\n", encoding=encoding)
    assert read_yaml(file) == {"name": "café"}


def test_a_folder_and_an_endless_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder"):
        read_yaml(tmp_path)
    with pytest.raises(ConfigError, match="is larger than 16 MB"):
        read_yaml(Path("/dev/zero"))
