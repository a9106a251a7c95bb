"""One night's training, in a process of its own that is bounded in time and memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

_LOOK_S, _END_S = 0.5, 10.0
_LINES = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the training may take.

    Attributes:
        minutes: From its start to its end.
        memory_mb: Of main memory.
    """

    minutes: float = 120.0
    memory_mb: float = 4000.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        document: The figures of `adapt --json`; None: there are none.
        why: What went wrong, in a sentence; None: nothing did.
    """

    document: dict[str, Any] | None
    why: str | None


def adapt(
    options: Sequence[str],
    result: Path,
    bounds: Bounds,
    stop: threading.Event,
    program: Sequence[str] | None = None,
) -> Outcome:
    """Run `darner-optimize adapt`.

    Args:
        options: Its options but --json.
        result: The file to write for --json.
        bounds: What it may take.
        stop: Ends it.
        program: How `darner-optimize` is started; None: so that every other process goes first.
    """
    command = [*(program or _humble()), "adapt", *options, "--json", str(result), "--force"]
    said = result.with_suffix(".log")
    with said.open("wb") as log:
        child = subprocess.Popen(  # noqa: S603 - this very program
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            why = _bounded(child, bounds, stop)
        finally:
            _end(child)
    if why is not None:
        return Outcome(None, why)
    document = _document(result)
    if child.returncode == 0 and document is not None:
        return Outcome(document, None)
    if document is not None and document.get("written") is None and "verdict" in document:
        return Outcome(document, None)
    return Outcome(None, _last_words(said) or f"the training ended with exit code {child.returncode}")


def _humble() -> list[str]:
    python = sys.executable
    return [python, "-m", f"{__package__}.humble", str(os.getpid()), python, "-m", "optimization"]


def _bounded(child: subprocess.Popen[bytes], bounds: Bounds, stop: threading.Event) -> str | None:
    """Wait for the end; why it is ended before, or None."""
    until = time.monotonic() + 60 * bounds.minutes
    process = psutil.Process(child.pid)
    while child.poll() is None:
        if stop.wait(_LOOK_S):
            return "interrupted"
        if time.monotonic() > until:
            return f"the training took longer than {bounds.minutes:g} minutes (--night-minutes)"
        with suppress(psutil.Error):
            used_mb = process.memory_info().rss / 1e6
            if used_mb > bounds.memory_mb:
                return (
                    f"the training took {used_mb:.0f} MB; {bounds.memory_mb:g} are allowed (--night-memory)"
                )
    return None


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the process and all that it has started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, number)
        with suppress(subprocess.TimeoutExpired):
            child.wait(_END_S)
            return


def _document(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _last_words(path: Path) -> str | None:
    """The command's own sentence about what went wrong, or else its last line."""
    with suppress(OSError):
        lines = path.read_bytes()[-_LINES:].decode(errors="replace").replace("\r", "\n").splitlines()
        lines = [line.strip() for line in lines if line.strip()]
        errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        return (errors or lines or [""])[-1] or None
    return None
