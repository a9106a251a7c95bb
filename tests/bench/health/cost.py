"""What camera health costs: the thread that captures, for each frame, and its own thread, for each look."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge_node.frames import Frame
from edge_node.health.camera import CameraHealth
from edge_node.health.glance import glance
from edge_node.health.stillness import Repeats
from edge_node.health.view import View
from tests.edge_node.health.films import video


def cost(data: Path) -> None:
    """Print what a frame costs the thread that captures, and what a look costs."""
    path = sorted((data / "video").iterdir())[-1]
    film, repeats = video(path, 100), Repeats()
    frames = [Frame("a", n, n * 10**8, n * 10**8, film(n / 10)) for n in range(100)]
    view, health = View(glance(frames[0]).fine, 0), CameraHealth()
    work: dict[str, Callable[[Frame], object]] = {
        "each frame": repeats.note,
        "a look": lambda frame: health.look(glance(frame)),
        "a search for the view": lambda frame: view.find(glance(frame)),
    }
    times: dict[str, list[float]] = {name: [] for name in work}
    for frame in frames:
        for name, do in work.items():
            start = time.thread_time()
            do(frame)
            times[name].append((time.thread_time() - start) * 1e6)
    least = {name: float(np.percentile(one, 10)) for name, one in times.items()}
    for name, one in times.items():
        print(f"{name}: {least[name]:.0f} us, median {statistics.median(one):.0f} us")
    mean = least["each frame"] + least["a look"] / 25
    print(f"mean of a frame, at 25 a second and a look a second: {mean:.0f} us")
    print(f"of a detector that takes 3 ms: {mean / 30:.1f} %")
