"""What TensorRT is doing while it builds an engine, and how long that may still take."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class _Phase:
    steps: int
    started_s: float
    parent: str | None
    done: int = 0


class Phases:
    """The phases of a build that are active, as `IProgressMonitor` tells them; one may be inside another.

    Phases differ widely in what a step takes, so an estimate is made within one phase only: the innermost
    one that has taken most of the time so far.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._active: dict[str, _Phase] = {}
        self._lock = threading.Lock()  # TensorRT calls from threads of its own

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """A phase begins, inside its parent."""
        with self._lock:
            self._active[name] = _Phase(max(steps, 1), self._clock(), parent)

    def step(self, name: str, step: int) -> None:
        """A step of a phase, counted from 0, is done."""
        with self._lock:
            if name in self._active:
                self._active[name].done = step + 1

    def finish(self, name: str) -> None:
        """A phase ends."""
        with self._lock:
            self._active.pop(name, None)

    def __str__(self) -> str:
        """The phase that decides how long the build takes, and what is left of it; may be empty."""
        with self._lock:
            now = self._clock()
            passed = {name: now - phase.started_s for name, phase in self._active.items()}
            name = ""
            for candidate, seconds in passed.items():  # the outer ones come first
                if seconds >= max(passed.values()) / 2:
                    name = candidate
            if not name:
                return ""
            share, phase = self._share(name), self._active[name]
            text = f"{name} {phase.done}/{phase.steps}"
            if 0.02 < share < 1.0:
                text += f", {in_words(passed[name] * (1 - share) / share)} left of this phase at its pace"
            return text

    def _share(self, name: str) -> float:
        """How much of a phase's steps is done, 0..1, those of the phases inside it included."""
        phase = self._active[name]
        inside = sum(self._share(one) for one, child in self._active.items() if child.parent == name)
        return min((phase.done + min(inside, 1.0)) / phase.steps, 1.0)


def in_words(seconds: float) -> str:
    """A duration as precise as an estimate deserves."""
    if seconds < 90:
        return f"about {max(round(seconds, -1), 10):.0f} s"
    return f"about {seconds / 60:.0f} min"


def waits() -> Iterator[float]:
    """Seconds from one line to the next: a line every 10 s in the first minute, then one a minute."""
    return itertools.chain(itertools.repeat(10.0, 6), itertools.repeat(60.0))


@contextmanager
def reported(
    trt: Any, config: Any, name: str, progress: Callable[[str], None], last_s: float | None = None
) -> Iterator[None]:
    """Report how long a build takes, with its phase where the version tells (`IProgressMonitor`, since 10).

    Args:
        trt: The module.
        config: The builder's configuration, which gets a monitor.
        name: Name of the model.
        progress: Called with a line of text, as often as `waits` says.
        last_s: Seconds that an earlier build of this model took; None: not known.

    Raises:
        KeyboardInterrupt: Ctrl-C interrupted what TensorRT told, which then cancels the build.
    """
    phases = Phases()
    if hasattr(trt, "IProgressMonitor"):
        # In a variable, because TensorRT does not keep it alive.
        config.progress_monitor = monitor = _monitor(trt, phases)
    else:
        monitor = None
    earlier = "" if last_s is None else f", the last build of it took {last_s:.0f} s"
    started, done = time.monotonic(), threading.Event()

    def tell() -> None:
        for seconds in waits():
            if done.wait(seconds):
                return
            phase = str(phases)
            doing = f", {phase}" if phase else ""
            progress(f"building an engine of {name}: {time.monotonic() - started:.0f} s{doing}{earlier}")

    thread = threading.Thread(target=tell, name="engine-build", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    if monitor is not None and monitor.interrupted:
        raise KeyboardInterrupt


def _monitor(trt: Any, phases: Phases) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # untyped
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.interrupted = False

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._note(phases.start, phase_name, parent_phase, num_steps)

        def phase_finish(self, phase_name: str) -> None:
            self._note(phases.finish, phase_name)

        def step_complete(self, phase_name: str, step: int) -> bool:
            self._note(phases.step, phase_name, step)
            return not self.interrupted

        def _note(self, note: Callable[..., None], *about: object) -> None:
            # TensorRT swallows what is raised here, and only a step can cancel the build.
            try:
                note(*about)
            except KeyboardInterrupt:
                self.interrupted = True

    return Monitor()
