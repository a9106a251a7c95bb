"""How far a batch job is: by the time of the video where its length is known, else by frames."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Any

from tqdm import tqdm


class Bar:
    """A progress bar on a terminal, and nothing elsewhere.

    Args:
        label: What is processed.
        seconds: The length of the video; None if nobody knows.
    """

    def __init__(self, label: str, seconds: float | None) -> None:
        self._timed = seconds is not None
        total = math.ceil(seconds) if seconds is not None else None
        # Seconds of the video a second: how many times as fast as a camera it is.
        self._bar: tqdm[Any] = tqdm(
            total=total, desc=label, unit=" s" if self._timed else " frames", disable=None
        )

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def move(self, now_s: float, frames: int) -> None:
        """Show that the job has come to this time of the video, and has done so many frames."""
        place = math.floor(now_s) if self._timed else frames
        if self._bar.total is not None:
            place = min(place, int(self._bar.total))
        self._bar.set_postfix_str(f"{frames} frames" if self._timed else "", refresh=False)
        self._bar.update(max(0, place - int(self._bar.n)))
