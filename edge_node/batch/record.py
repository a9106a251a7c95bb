"""The messages about one video, as a node would send them."""

from __future__ import annotations

from collections.abc import Iterator

from edge_node.analytics.watch import Analysed
from edge_node.config.camera_settings import CameraSettings
from edge_node.outbox.added import numbered
from edge_node.pace import Pace
from edge_node.publish.compose import Composer


class Record:
    """The messages about one video, in the order in which a node would send them.

    Args:
        composer: Makes the messages.
        session: The session; it is also the boot of the events, whose numbers begin at 1.
        settings: Of the camera.

    Attributes:
        events: Number of events so far.
    """

    def __init__(self, composer: Composer, session: str, settings: CameraSettings) -> None:
        self._composer, self._session = composer, session
        self._pace = Pace(settings.detections_fps) if settings.detections_fps else None
        self._reported = 0
        self._last: Analysed | None = None
        self.events = 0

    def of(self, item: Analysed) -> Iterator[object]:
        """The messages about a frame."""
        self._last = item
        yield from self._events(item)
        if self._pace is None or self._pace.ready(item.now_s):
            yield self._composer.detections(item, dropped=item.frame.seq - self._reported)
            self._reported += 1

    def end(self, last: Analysed | None) -> Iterator[object]:
        """What was certain only at the end, and the final numbers of every zone and line.

        Args:
            last: From `Watch.finish`.
        """
        if last is not None:
            self._last = last
            yield from self._events(last)
        if self._last is not None:
            for numbers in self._last.report.numbers.values():
                yield self._composer.zone(numbers, self._last.frame)

    def _events(self, item: Analysed) -> Iterator[object]:
        for happening in item.report.happenings:
            self.events += 1
            yield numbered(self._composer.event(happening, item), self._session, self.events)
