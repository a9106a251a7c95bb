"""Decides when a lost camera is tried again, and reports each attempt."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable

from shared.wire.messages import CameraState

log = logging.getLogger("darner.capture")

_FIRST_RETRY_S = 1.0
"""Longest wait before the first attempt to reconnect, seconds. Each failure adds as much again."""
_RETRY_S = 2.0
"""Longest wait between attempts, seconds: a camera is back within 5 s of its return, opening included."""
_STEADY_S = 5.0
"""A stream that has run for this long, seconds, works; one that ends sooner has failed."""
_FLAPPING = 2
"""Number of short-lived streams in a row from which on they are reported as one trouble."""


class Attempts:
    """The attempts to keep one camera's stream open.

    A stream that ends soon after each start is one trouble, not many: the waits grow, the log names it once,
    and the status says "streaming" again only when the stream has lasted.

    Args:
        camera: The camera's name.
        shown: Its source, for messages.
        on_status: Called with the camera's new state and the reason for it.
        clock: Seconds; for tests.

    Attributes:
        frames: Number of frames of this attempt.
    """

    def __init__(
        self,
        camera: str,
        shown: str,
        on_status: Callable[[CameraState, str | None], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._camera, self._shown = camera, shown
        self._on_status, self._clock = on_status, clock
        self._failures = 0
        self._short_lived = 0
        self._since = 0.0
        self._streaming = False
        self.frames = 0

    def begin(self) -> None:
        """An attempt begins."""
        self.frames, self._streaming = 0, False

    def frame(self) -> None:
        """A frame has come."""
        self.frames += 1
        if self.frames == 1:
            self._since = self._clock()
        elif not (self._failures or self._short_lived):
            return
        if self._clock() - self._since >= _STEADY_S:
            self._failures = self._short_lived = 0
        if not self._streaming and self._short_lived < _FLAPPING:
            self._streaming = True
            self._on_status("streaming", None)

    def failed(self, reason: str) -> float:
        """An attempt has failed or its stream has ended; returns how many seconds to wait before the next."""
        wait = min(_RETRY_S, _FIRST_RETRY_S * (1 + self._failures)) * random.uniform(0.5, 1.0)
        if self.frames and (self._failures or self._clock() - self._since < _STEADY_S):
            self._short_lived += 1
        first = self._failures == 0
        self._failures += 1
        if self._short_lived >= _FLAPPING:
            reason = (
                f"camera {self._camera}: {self._shown} ends soon after each start, "
                f"now after {self.frames} frames"
            )
            first = self._short_lived == _FLAPPING
        self._on_status("reconnecting", reason)
        (log.warning if first else log.debug)("%s; trying again until it works", reason)
        return wait
