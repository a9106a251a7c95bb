"""Questions and answers of two processes stay together, whatever else the other one says or fails at."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.bench.conversation import Asking
from tests.conftest import REPO

OTHER = """
import os, sys
from tests.bench.conversation import answer_all

def work(question):
    print("a package says hello")
    os.write(1, b'{"number": 1, "answer": "of nobody"}\\nnoise\\n' if question["x"] == 2 else b"noise\\n")
    if question["x"] == 0:
        raise FileNotFoundError("gone")
    if question["x"] == 9:
        os._exit(3)
    return question["x"] * 10

answer_all(work)
"""


@pytest.fixture
def other() -> Iterator[Asking]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-c", OTHER], cwd=REPO, text=True, **pipes) as process:  # type: ignore[call-overload]  # options by name
        yield Asking(process)


def test_each_answer_belongs_to_its_question(other: Asking) -> None:
    assert [other.ask(x=x) for x in (1, 2, 3)] == [10, 20, 30]


def test_a_question_that_cannot_be_answered_fails_alone(other: Asking) -> None:
    with pytest.raises(RuntimeError, match="FileNotFoundError: gone"):
        other.ask(x=0)
    assert other.ask(x=4) == 40


def test_a_process_that_ends_is_told_at_once(other: Asking) -> None:
    for _ in range(2):
        with pytest.raises(RuntimeError, match="ended"):
            other.ask(x=9)
