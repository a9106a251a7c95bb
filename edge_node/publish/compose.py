"""Makes the messages that nodes publish and batch jobs write, in the wire's units and precision."""

from __future__ import annotations

import dataclasses
import math
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from edge_node import __version__
from edge_node.analytics.happenings import Happening
from edge_node.analytics.watch import Analysed
from edge_node.consolidate.followed import Summary
from edge_node.frames import Frame, Tracks
from edge_node.ignore.rules import REASONS, Ignored
from shared import limits
from shared.geometry import F32, Floats
from shared.wire import messages
from shared.wire.messages import DetectedObject, IgnoredObject, ZoneNumbers, now_us

# The columns of a table of tracks: x1, y1, x2, y2, velocity x and y, score, age. What each is limited to, and
# ten to the power of its decimals.
_LEAST = np.array([0.0] * 4 + [-limits.AMOUNT] * 2 + [-np.inf] * 2)
_MOST = np.array([1.0] * 4 + [limits.AMOUNT] * 2 + [np.inf] * 2)
_SCALE = np.array([1e5] * 6 + [1e4, 1e3])


def _looked(item: Analysed) -> list[Any]:
    """The parts of the frame that the network looked at, where it chose them."""
    looked, frame = item.looked, item.frame
    return [] if looked is None else fractions(looked.xyxy, frame.width, frame.height)


def new_session() -> str:
    """A new identifier for one run of a node. Identifiers sort by time, and each is unique."""
    return f"{int(time.time()):x}-{secrets.token_hex(3)}"


class Composer:
    """Makes one node's messages.

    Args:
        node: The node that the messages are from.
        session: Identifier of this run.
        class_names: By class id.
    """

    def __init__(self, node: str, session: str, class_names: Sequence[str]) -> None:
        self._node, self._session, self._class_names = node, session, class_names

    def head(self) -> dict[str, Any]:
        """The fields that every message has."""
        return {"node": self._node, "session": self._session, "published_us": now_us()}

    def status(self, status: Literal["online", "offline"], reason: str | None = None) -> messages.NodeStatus:
        """The message about whether the node is online, and what is wrong."""
        return messages.NodeStatus(
            **self.head(), status=status, version=__version__, reason=reason and reason[:512]
        )

    def detections(self, item: Analysed, dropped: int = 0) -> messages.DetectionsMessage:
        """All tracks of a frame.

        Args:
            item: The analysed frame.
            dropped: How many earlier frames of this session no detections message reported.
        """
        frame = item.frame
        return messages.DetectionsMessage(
            **self._frame_head(frame),
            width=frame.width,
            height=frame.height,
            timings_ms=item.timings_ms,
            dropped=dropped,
            objects=self.objects(item),
            main_track_id=item.report.main_track_id,
            ignored=[] if item.ignored is None else self._ignored(item.ignored, frame),
            looked=_looked(item),
        )

    def objects(self, item: Analysed) -> list[DetectedObject]:
        """A frame's tracks as detections messages and bundles list them."""
        tracks = item.tracks
        speeds = item.report.speed_m_s
        rows = zip(
            tracks.track_id.tolist(),
            tracks.class_id.tolist(),
            *_columns(tracks, item.frame),
            [None] * len(tracks) if speeds is None else map(_speed, speeds.tolist()),
            tracks.predicted.tolist(),
            item.report.zones_of,
            strict=True,
        )
        return [
            {
                "track_id": track_id,
                "class_id": class_id,
                "label": self._class_names[class_id],
                "score": score,
                "box": box,
                "age_s": age_s,
                "velocity": velocity,
                "speed_m_s": speed,
                "predicted": predicted,
                "zones": zones,
            }
            for track_id, class_id, box, velocity, score, age_s, speed, predicted, zones in rows
        ]

    def event(self, happening: Happening, item: Analysed, snapshot: str | None = None) -> messages.Event:
        """One event; the outbox gives it its number.

        Args:
            happening: What happened.
            item: The frame in which analytics noticed it.
            snapshot: Topic of the track's best view.
        """
        frame = item.frame
        facts = _short(vars(happening))
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

    def alert(self, fields: Mapping[str, Any], camera: str, frame: Frame | None) -> messages.Event:
        """An alert, as an event; the outbox gives it its number.

        Args:
            fields: Those that are not of a frame, among them `occurred_us`.
            camera: The camera that it is about.
            frame: The camera's newest frame; None: there was none yet.
        """
        occurred_us = fields["occurred_us"]
        captured_us = occurred_us if frame is None else max(occurred_us, frame.captured_ns // 1000)
        return messages.Event(
            **self.head(),
            camera=camera,
            seq=0 if frame is None else frame.seq,
            captured_us=captured_us,
            event_id="",
            **fields,
        )

    def zone(
        self, numbers: ZoneNumbers, frame: Frame, started_us: int | None = None, *, watched: bool = True
    ) -> messages.ZoneState:
        """The numbers of a zone or line as of a frame.

        Args:
            numbers: As analytics has computed them.
            frame: The frame.
            started_us: When the counters began at zero.
            watched: Whether the frame shows who is there; False: nobody looks any more.
        """
        return messages.ZoneState(
            **self._frame_head(frame), **_short(vars(numbers)), started_us=started_us, watched=watched
        )

    def first_zone(self, camera: str, numbers: ZoneNumbers, started_us: int) -> messages.ZoneState:
        """The numbers of a zone or line before the camera's first frame."""
        return messages.ZoneState(
            **self.head(),
            camera=camera,
            seq=0,
            captured_us=started_us,
            **vars(numbers),
            started_us=started_us,
            watched=False,
        )

    def by_label(self, found: Mapping[int, int]) -> dict[str, int]:
        """Numbers by name of the class instead of its id."""
        return {self._class_names[class_id]: number for class_id, number in found.items()}

    def track(self, summary: Summary, frame: Frame, snapshot: str | None) -> messages.Track:
        """A finished track.

        Args:
            summary: What is known of it.
            frame: The camera's newest frame.
            snapshot: Topic of the track's best view.
        """
        facts = _short({item.name: getattr(summary, item.name) for item in dataclasses.fields(summary)})
        votes, score = facts.pop("votes"), facts.pop("best_score")
        facts["path"] = [_short(point) for point in summary.path]
        class_id = next(iter(votes))
        return messages.Track(
            **self._frame_head(frame),
            **facts,
            class_id=class_id,
            label=self._class_names[class_id],
            classes={self._class_names[one]: cast.message() for one, cast in votes.items()},
            score=score,
            snapshot=snapshot,
        )

    def bundle(self, item: Analysed) -> messages.Bundle:
        """A bundle with a frame's objects; its caller adds the picture."""
        frame = item.frame
        return messages.Bundle(
            **self._frame_head(frame),
            frame_id=f"{self._node}-{frame.camera}-{self._session}-{frame.seq}",
            image_base64="",
            prediction=self.objects(item),
        )

    def picture_name(self, seq: int, captured_ns: int, size: tuple[int, int]) -> messages.PictureName:
        """Which frame a JPEG shows, and its width and height in pixels."""
        return messages.PictureName(
            session=self._session,
            seq=seq,
            captured_us=captured_ns // 1000,
            width=size[0],
            height=size[1],
        )

    def _ignored(self, ignored: Ignored, frame: Frame) -> list[IgnoredObject]:
        """The dropped detections with the best scores."""
        best = np.argsort(-ignored.detections.score, kind="stable")[: limits.IGNORED]
        found = ignored.detections[best]
        rows: Iterable[Any] = zip(
            found.class_id.tolist(),
            rounded(found.score, 4),
            fractions(found.xyxy, frame.width, frame.height),
            ignored.reason[best].tolist(),
            ignored.mask[best].tolist(),
            strict=True,
        )
        return [
            {
                "class_id": class_id,
                "label": self._class_names[class_id],
                "score": score,
                "box": box,
                "reason": REASONS[reason],
                "mask": ignored.masks[mask] if mask >= 0 else None,
            }
            for class_id, score, box, reason, mask in rows
        ]

    def _frame_head(self, frame: Frame) -> dict[str, Any]:
        return self.head() | {
            "camera": frame.camera,
            "seq": frame.seq,
            "captured_us": frame.captured_ns // 1000,
        }


def _columns(tracks: Tracks, frame: Frame) -> Iterator[list[Any]]:
    """Boxes, velocities, scores and ages as messages have them.

    One table is limited and rounded at once, because numpy's cost for a few numbers is that of the call. The
    result is that of `round` on each column.
    """
    width, height = frame.width, frame.height
    table = np.empty((len(tracks), 8))
    table[:, :4], table[:, 4:6] = tracks.xyxy, tracks.velocity
    table[:, 6], table[:, 7] = tracks.score, tracks.age_s
    table /= np.array([width, height, width, height, width, height, 1.0, 1.0])
    table.clip(_LEAST, _MOST, out=table)
    table *= _SCALE
    np.rint(table, out=table)
    table /= _SCALE
    return (table[:, place].tolist() for place in (slice(4), slice(4, 6), 6, 7))


def fractions(xyxy: F32, width: int, height: int) -> list[list[float]]:
    """Turn boxes ``(N, 4)`` from pixels into fractions, to five decimals: 0.02 pixels of 1080p."""
    size = np.array([width, height] * 2, np.float64)
    boxes: list[list[float]] = np.clip(xyxy / size, 0.0, 1.0).round(5).tolist()
    return boxes


def rounded(values: Floats, digits: int) -> list[Any]:
    """An array as Python numbers, rounded as doubles: JSON would write a rounded f32 with more digits."""
    numbers: list[Any] = values.astype(np.float64).round(digits).tolist()
    return numbers


def _speed(metres_per_second: float) -> float | None:
    # Above the horizon of the calibrated ground a speed is NaN, which JSON cannot express.
    return None if math.isnan(metres_per_second) else min(round(metres_per_second, 2), limits.AMOUNT)


def _short(value: Any) -> Any:
    """Round numbers to their meaningful digits: fractions of the frame to five places, times to three."""
    if isinstance(value, float):
        return round(value, 5)
    if isinstance(value, tuple):
        return tuple(map(_short, value))
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    if isinstance(value, (messages.Dwell, messages.Queue)):
        return dataclasses.replace(value, **{k: round(v, 3) for k, v in vars(value).items()})
    return value
