"""What one capture thread does just now, as its watchdog sees it."""

from __future__ import annotations

import math
import threading

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.sources import kind_of, may_come_later
from shared.service.watchdog import Look

READ_S = 8.0
"""How much longer than the source's own limit one read may take, seconds."""
SEGMENTS_S = 60.0
"""How long a source over HTTP may give nothing while it waits for the next segments, seconds."""
OPEN_S = 180.0
"""How long opening a source may take, seconds; a name server that does not answer delays it."""


class Progress(threading.Event):
    """The event `stop` for one capture thread, which notes when the thread waits on purpose.

    Between its waits the thread opens and reads the source, mostly in libraries and drivers, or holds a
    frame. A camera that gives nothing is no fault here: its reader comes back without a frame, and the thread
    waits before it tries again. A reader that does not come back is one.

    Args:
        settings: The camera's.
        stop: Ends the capture.

    Attributes:
        frames: Captured so far.
        holding: Whether a frame has been read, and is on its way to the next stage.
        ended: Whether the thread has ended.
    """

    def __init__(self, settings: CameraSettings, stop: threading.Event) -> None:
        super().__init__()
        self._stop = stop
        self._live = may_come_later(settings.source)
        kind = kind_of(settings.source)
        segments_s = SEGMENTS_S if kind == "http" else 0.0
        self._read_s = max(settings.stall_s, 1.0 / settings.fps, segments_s) + READ_S
        self._open_s = OPEN_S
        if kind == "pipe":  # its reader comes back only when the writer has written, or has gone
            self._read_s = self._open_s = math.inf
        self._waits = False
        self._opened = False
        self._steps = 0
        self.frames = 0
        self.holding = self.ended = False

    def is_set(self) -> bool:
        """Whether the capture is to end."""
        return self._stop.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the capture is to end: for the next attempt, or for the time of a file's next frame."""
        self._waits = True
        self._steps += 1
        if self._live:
            self._opened = False
        try:
            return self._stop.wait(timeout)
        finally:
            self._waits = False

    def took(self) -> None:
        """Note that a frame has been read."""
        self.frames += 1
        self._steps += 1
        self._opened = self.holding = True

    def passed_on(self) -> None:
        """Note that the frame is on its way."""
        self._steps += 1
        self.holding = False

    def look(self) -> Look | None:
        """What a watchdog sees: a camera alone never ends the node, but its frame in our hands does."""
        if self._waits or self.ended:
            return None
        if self.holding:
            return Look(self._steps)
        return Look(self._steps, self._read_s if self._opened else self._open_s, math.inf)
