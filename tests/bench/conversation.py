"""Questions to another process and its answers, as JSON lines; each answer names its question.

A package that prints a line of its own, or a question that was given up, must not shift all answers by one.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any


class Asking:
    """The side that asks.

    Args:
        process: Runs `answer_all`, with pipes for text.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._numbers = itertools.count(1)

    def ask(self, **question: object) -> Any:
        """Ask, and wait for the answer to this question.

        Raises:
            RuntimeError: The process has ended or failed; its own messages say why.
        """
        to, back = self._process.stdin, self._process.stdout
        if to is None or back is None:
            raise RuntimeError("the other process has no pipes")
        number = next(self._numbers)
        try:
            to.write(json.dumps({"number": number, "question": question}) + "\n")
            to.flush()
        except (BrokenPipeError, ValueError):  # it has ended, or had ended before and the pipe is closed
            with contextlib.suppress(BrokenPipeError):  # closing writes what is left, and closes all the same
                to.close()
            raise RuntimeError("the other process has ended") from None
        for line in back:
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if isinstance(said, dict) and said.get("number") == number:
                if "failed" in said:
                    raise RuntimeError(f"the other process cannot answer: {said['failed']}")
                return said["answer"]
        raise RuntimeError("the other process ended without an answer")


def answer_all(work: Callable[[dict[str, Any]], Any]) -> None:
    """The side that answers, until there are no more questions. What `work` prints goes to standard error."""
    out, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            said = {"answer": work(asked["question"])}
        except Exception as error:  # noqa: BLE001 - the side that asks raises it
            said = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps({"number": asked["number"], **said}), file=out, flush=True)
