"""A file that holds one secret: its characters are taken as they are, and no error shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.configuration.secret_file import read_secret
from shared.errors import ConfigError
from shared.secrets.redact import redact


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"hunter2", "hunter2"),
        (b"hunter2\n", "hunter2"),
        (b"hunter2\r\n", "hunter2"),
        (b" with blanks \t\n", " with blanks \t"),
        (b"\xef\xbb\xbfhunter2\r\n", "hunter2"),
        ("caf\u00e9\r\n".encode("utf-16"), "caf\u00e9"),
        ("caf\u00e9\n".encode(), "caf\u00e9"),
    ],
)
def test_a_secret_is_what_stands_in_its_file(tmp_path: Path, content: bytes, secret: str) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    assert read_secret("mqtt.password_file", str(file)) == secret
    assert redact(f"sent <{secret}>") == "sent <***>"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty; it must hold the secret"),
        (b"\n", "is empty"),
        (b"caf\xe9", "is not UTF-8 text; save the file as UTF-8"),
        ("hunter2".encode("utf-16-le"), "is not text; save the file as UTF-8"),
        (b"hunter2\n\n", "has more than one line"),
        (b"user\nhunter2\n", "has more than one line"),
        (b"x" * 70_000, "is larger than 64 kB"),
    ],
)
def test_a_file_that_does_not_hold_one_secret_is_refused_without_showing_it(
    tmp_path: Path, content: bytes, says: str
) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_secret("mqtt.password_file", str(file))
    assert str(caught.value).startswith(f"mqtt.password_file {file}: {says}")
    assert "hunter2" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named_with_the_cure(tmp_path: Path) -> None:
    for name, says in [
        ("/nowhere", "no such file"),
        (str(tmp_path), "is a folder; name the file in it"),
        ("~nosuchuser/x", "cannot be read"),
        ("a\0b", "cannot be read"),
    ]:
        with pytest.raises(ConfigError, match=says):
            read_secret("http.token_file", name)
