"""The small corpora of the fuzzer, replayed; `make fuzz` goes on from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.wire import topics
from tests.fuzz.targets import KINDS, TARGETS

CORPUS = Path(__file__).parent / "corpus"


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_that_a_fuzzer_has_tried_breaks_a_reader(name: str) -> None:
    inputs = sorted((CORPUS / name).iterdir())
    assert inputs, "make fuzz ARGS=--keep adds some"
    for path in inputs:
        try:
            TARGETS[name](path.read_bytes())
        except Exception as error:
            raise AssertionError(f"{path}: {error!r}") from error


def test_corpora_are_small_and_each_type_of_message_is_in_one() -> None:
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < 200_000
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
    assert set(KINDS) == {row.payload for row in topics.TABLE} - {"jpeg"}
    first = {path.read_bytes()[0] % len(KINDS) for path in (CORPUS / "decode").iterdir()}
    assert first == set(range(len(KINDS)))


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("data", [b"", b"\0", b"\xff" * 40, b"[" * 300, b"((((" * 400, b"{" * 300 + b"\n"])
def test_nonsense_breaks_no_reader(name: str, data: bytes) -> None:
    TARGETS[name](data)
