"""The messages about analysed frames: what is said on MQTT and written by batch jobs, and nothing of how."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edge_node.analytics.happenings import Happening
from edge_node.analytics.watch import Analysed
from edge_node.frames import Frame
from edge_node.publish import payloads
from shared.wire import messages
from shared.wire.messages import ZoneNumbers, now_us


class Composer:
    """Makes one node's messages.

    Args:
        node: Who speaks.
        session: Identifier of this run.
        class_names: By class id.
    """

    def __init__(self, node: str, session: str, class_names: Sequence[str]) -> None:
        self._node, self._session, self._class_names = node, session, class_names

    def head(self) -> dict[str, Any]:
        """What every message carries."""
        return {"node": self._node, "session": self._session, "published_us": now_us()}

    def detections(self, item: Analysed, dropped: int = 0) -> messages.DetectionsMessage:
        """All tracks of a frame.

        Args:
            item: The analysed frame.
            dropped: Frames before this one that no detections message reported.
        """
        frame = item.frame
        return messages.DetectionsMessage(
            **self._frame_head(frame),
            width=frame.width,
            height=frame.height,
            timings_ms=item.timings_ms,
            dropped=dropped,
            objects=payloads.objects(item, self._class_names),
            main_track_id=item.report.main_track_id,
        )

    def event(self, happening: Happening, item: Analysed, snapshot: str | None = None) -> messages.Event:
        """Something that happened, not numbered yet.

        Args:
            happening: What.
            item: The frame in which it was noticed.
            snapshot: Topic of the track's picture.
        """
        frame = item.frame
        facts = payloads.short(vars(happening))
        ago_us = round((item.now_s - happening.occurred_s) * 1e6)
        del facts["occurred_s"]
        class_id = happening.class_id
        return messages.Event(
            **self._frame_head(frame),
            **facts,
            event_id="",
            occurred_us=max(0, frame.captured_ns // 1000 - ago_us),
            label=None if class_id is None else self._class_names[class_id],
            snapshot=snapshot,
        )

    def zone(self, numbers: ZoneNumbers, frame: Frame) -> messages.ZoneState:
        """A zone's or line's numbers as of a frame."""
        return messages.ZoneState(**self._frame_head(frame), **payloads.short(vars(numbers)))

    def _frame_head(self, frame: Frame) -> dict[str, Any]:
        return self.head() | {
            "camera": frame.camera,
            "seq": frame.seq,
            "captured_us": frame.captured_ns // 1000,
        }
