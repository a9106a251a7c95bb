"""What TensorRT is doing while it builds an engine, reported every ten seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def reported(trt: Any, config: Any, name: str, progress: Callable[[str], None]) -> Iterator[None]:
    """Report how long a build takes, with its phase where the version tells (`IProgressMonitor`, since 10).

    Args:
        trt: The module.
        config: The builder's configuration, which gets a monitor.
        name: Name of the model.
        progress: Called with a line of text every ten seconds.
    """
    phase = [""]
    if hasattr(trt, "IProgressMonitor"):

        class Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # untyped
            def __init__(self) -> None:
                trt.IProgressMonitor.__init__(self)
                self.steps: dict[str, int] = {}

            def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:  # noqa: ARG002 - TensorRT passes it
                self.steps[phase_name] = num_steps

            def phase_finish(self, phase_name: str) -> None:
                self.steps.pop(phase_name, None)

            def step_complete(self, phase_name: str, step: int) -> bool:
                phase[0] = f", {phase_name} {step + 1}/{self.steps.get(phase_name, 0)}"
                return True

        config.progress_monitor = monitor = Monitor()  # noqa: F841 - TensorRT does not keep it alive
    started, done = time.monotonic(), threading.Event()

    def tell() -> None:
        while not done.wait(10.0):
            progress(f"building an engine of {name}: {time.monotonic() - started:.0f} s{phase[0]}")

    thread = threading.Thread(target=tell, name="engine-build", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
