"""How many parts of a frame the network can look at and still keep up with the cameras."""

from __future__ import annotations

from collections.abc import Mapping

_LOAD = 0.8
"""Share of the network's time that is given away; the rest is for what comes irregularly."""
MOST = 8
"""Most looks at a frame unless the settings name more."""
UNHURRIED = 4
"""Looks at a frame of a video that is read as fast as possible: a number that no machine's speed changes."""
_MEMORY = 0.05
"""Weight of the newest measurement in an average."""


class Budget:
    """Shares the network's time out among the cameras.

    Args:
        run_s: Seconds of the network for one picture, before the first frame.
    """

    def __init__(self, run_s: float) -> None:
        self._picture_s = max(run_s, 1e-6)
        self._steps: dict[str, float] = {}
        self._last: dict[str, int] = {}

    def came(self, camera: str, monotonic_ns: int) -> None:
        """Note a frame's time; the thread of its camera calls this."""
        step = (monotonic_ns - self._last.get(camera, monotonic_ns)) / 1e9
        self._last[camera] = monotonic_ns
        if 0 < step < 10:
            before = self._steps.get(camera)
            self._steps[camera] = step if before is None else before + _MEMORY * (step - before)

    def ran(self, pictures: int, milliseconds: float) -> None:
        """Note a run of the network."""
        if pictures and milliseconds > 0:
            self._picture_s += _MEMORY * (milliseconds / 1e3 / pictures - self._picture_s)

    def runs(self, every: Mapping[str, int], fixed: Mapping[str, int]) -> int:
        """Most looks at a frame of each camera that has no number of its own.

        Args:
            every: By camera, on which share of its frames the network runs: every n-th.
            fixed: Looks at a frame of each camera whose number is known.
        """
        rates = {name: 1.0 / (step * every.get(name, 1)) for name, step in dict(self._steps).items()}
        free = _LOAD / self._picture_s - sum(
            rates[name] * count for name, count in fixed.items() if name in rates
        )
        asking = sum(rate for name, rate in rates.items() if name not in fixed)
        if not asking:
            return 1
        return min(MOST, max(1, int(free / asking)))
