"""A watch passes the frames of one camera to its tracker and its analytics."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edge_node.analytics.analyse import Analytics, Report
from edge_node.analytics.happenings import Happening
from edge_node.analytics.heatmap import Heatmap
from edge_node.analytics.pauses import Pauses
from edge_node.config.camera_settings import AnalyticsSettings
from edge_node.config.saved.definitions import Definitions
from edge_node.config.settings import TrackerSettings
from edge_node.frames import Detected, Detections, Followed, Frame, Looked, Tracks
from edge_node.ignore.gate import IgnoreGate
from edge_node.ignore.rules import Ignored
from edge_node.ignore.suspects import SuspectHunt
from edge_node.track import tracker
from edge_node.track.adopted import Adopted
from edge_node.track.rows import Given
from edge_node.track.tracker import Tracker
from shared.wire.messages import Suspect

IDLE_S = 1.0
"""So long after a camera's last frame, a pause takes effect without one, seconds."""


@dataclass(frozen=True, slots=True)
class Analysed:
    """A frame and everything that is known about it.

    Attributes:
        frame: The picture.
        tracks: The confirmed tracks in it.
        report: Events, numbers and zones, with times on the clock of `now_s`.
        now_s: Time of the frame on the clock of analytics, seconds.
        timings_ms: Milliseconds that each step took so far.
        definitions: Those that are new since the previous frame; None if nothing changed.
        ignored: The detections that masks and filters dropped; None if there are none.
        suspects: What may be static false positives, if that has changed since the previous frame; else None.
        looked: Where the network looked; None: at the whole frame, as well as it can.
    """

    frame: Frame
    tracks: Tracks
    report: Report
    now_s: float
    timings_ms: dict[str, float]
    definitions: Definitions | None = None
    ignored: Ignored | None = None
    suspects: tuple[Suspect, ...] | None = None
    looked: Looked | None = None

    @property
    def dropped(self) -> Detections | None:
        """What masks and filters dropped; None if nothing."""
        return None if self.ignored is None else self.ignored.detections


class Watch:
    """Tracker and analytics of one camera, behind what it ignores.

    Args:
        settings: Settings of analytics.
        definitions: Zones, lines, masks and filters to start with.
        tracking: Settings of the tracker.
        class_names: Names by class id.
        hunt: Looks for static false positives; None: nothing does.

    Attributes:
        pauses: Which zones and lines count nothing, from the next frame on. Any thread may change it.
    """

    def __init__(
        self,
        settings: AnalyticsSettings,
        definitions: Definitions,
        tracking: TrackerSettings,
        class_names: Sequence[str],
        hunt: SuspectHunt | None = None,
    ) -> None:
        self._tracker, self._adopted = tracker.create(tracking), Adopted(tracking)
        self._analytics = Analytics(definitions.zones, definitions.lines, class_names, settings)
        self._gate = IgnoreGate(definitions, class_names)
        self._hunt, self._changed = hunt, True
        self._last: Analysed | None = None
        self._wanted = self._defined = definitions
        self._resting = self._rested = frozenset[str]()
        self.pauses = Pauses()
        self._looked_s = 0.0  # when the last frame was analysed, monotonic seconds

    def redefine(self, definitions: Definitions) -> None:
        """Use other definitions from the next frame on. Any thread may call this."""
        self._wanted = definitions

    def rest(self, masks: frozenset[str]) -> None:
        """Let masks of these names drop nothing from the next frame on. Any thread may call this."""
        self._resting = masks

    @property
    def heatmap(self) -> Heatmap:
        """Where objects spent their time so far. Any thread may read it at any time."""
        return self._analytics.heatmap

    @property
    def ignored(self) -> dict[str, int]:
        """How many detections were dropped so far, by reason and mask. Any thread may read it at any time."""
        return dict(self._gate.counts)

    def update(self, detected: Detected) -> Analysed:
        """Pass one frame to tracker and analytics."""
        if detected.followed is not None:
            return self._adopt(detected, detected.followed)
        return self.update_each([self], [detected])[0]

    @staticmethod
    def update_each(watches: Sequence[Watch], detected: Sequence[Detected]) -> list[Analysed]:
        """Pass a frame to each of these watches; the trackers work together.

        Args:
            watches: At least one; none twice.
            detected: A frame for each.
        """
        start = time.perf_counter()
        begun = [one._begin(item) for one, item in zip(watches, detected, strict=True)]
        tracks = Tracker.update_all([one._tracker for one in watches], [one.given for one in begun])
        since = time.perf_counter()
        track_s = (since - start) / len(watches)
        analysed = []
        for one, frame, before, found in zip(watches, detected, begun, tracks, strict=True):
            item, since = one._analyse(frame, before, found, track_s, since)
            analysed.append(item)
        return analysed

    def _adopt(self, detected: Detected, followed: Followed) -> Analysed:
        """Pass a frame of a camera that follows its objects itself to analytics."""
        start = time.perf_counter()
        whole = detected.detections
        assert whole is not None  # noqa: S101 - such a camera always says what it sees
        begun = self._begin(detected)
        found = begun.given.detections
        if found is None or len(found) < len(whole):
            kept = ~self._gate.covered(whole, detected.frame)
            found, followed = whole[kept], followed.only(kept)
        tracks = self._adopted.update(found, followed, begun.given.dt)
        since = time.perf_counter()
        return self._analyse(detected, begun, tracks, since - start, since)[0]

    def _begin(self, detected: Detected) -> _Begun:
        """Do what comes before tracking."""
        frame = detected.frame
        closed: list[Happening] = []
        definitions = None
        if (wanted := self._wanted) is not self._defined:  # read once: another thread may replace it now
            definitions = self._defined = wanted
            closed += self._redefine(definitions)
        if (resting := self._resting) is not self._rested:
            self._rested = resting
            closed += self._regate(self._gate.rest(resting))
        closed += self._pause()
        if frame.restarted:
            self._tracker.reset()
            self._adopted.reset()
            closed += self._analytics.restart()
        dt = 0.0 if self._last is None else (frame.monotonic_ns - self._last.frame.monotonic_ns) / 1e9
        found, ignored = detected.detections, None
        if found is not None:
            found, ignored = self._gate.drop(found, frame)
        return _Begun(Given(found, dt, detected.looked), ignored, definitions, closed)

    def _analyse(
        self, detected: Detected, begun: _Begun, tracks: Tracks, track_s: float, since: float
    ) -> tuple[Analysed, float]:
        """Do what comes after tracking.

        Args:
            detected: The frame.
            begun: What `_begin` returned for it.
            tracks: What the tracker found.
            track_s: How long tracking took, seconds.
            since: When this step began, on the performance counter, seconds.

        Returns:
            What is known of the frame, and when this step ended.
        """
        frame, found = detected.frame, begun.given.detections
        now_s = frame.monotonic_ns / 1e9
        tracks = self._gate.hide(tracks, frame)
        report = self._analytics.update(tracks, now_s, frame.width, frame.height)
        report.happenings[:0] = begun.closed
        suspects = None if self._hunt is None else self._suspects(self._hunt, detected, found, tracks, now_s)
        end = time.perf_counter()
        steps = {"track": track_s, "analyse": end - since}
        timings = detected.timings_ms | {name: round(seconds * 1e3, 3) for name, seconds in steps.items()}
        looked = detected.looked if found is not None else None
        self._looked_s = time.monotonic()
        self._last = Analysed(
            frame, tracks, report, now_s, timings, begun.definitions, begun.ignored, suspects, looked
        )
        return self._last, end

    def close(self) -> Analysed | None:
        """Close what a pause ends, if no frame has come for a while: the last frame again, with these events.

        Only the thread that passes the frames may call this.

        Returns:
            None if that is nothing. Then and otherwise, everything else was in the last frame's own report.
        """
        if not self.pauses.changed or time.monotonic() - self._looked_s < IDLE_S or self._last is None:
            return None
        closed = self._pause()
        report = self._analytics.paused(self._last.report, closed)
        self._last = replace(self._last, report=report)
        return self._last if closed else None

    def finish(self) -> Analysed | None:
        """What is certain now because no frame follows: the last frame again, with these events and numbers.

        Returns:
            None if that is nothing. Then and otherwise, everything else was in the last frame's own report.
        """
        report = self._analytics.finish(self._last.report) if self._last is not None else None
        return replace(self._last, report=report) if self._last is not None and report is not None else None

    def _pause(self) -> list[Happening]:
        """Pause what is to be paused now, or was between two frames; return the stays that this closes."""
        if not self.pauses.changed:
            return []
        return [one for paused in self.pauses.take() for one in self._analytics.pause(paused)]

    def _suspects(
        self, hunt: SuspectHunt, detected: Detected, found: Detections | None, tracks: Tracks, now_s: float
    ) -> tuple[Suspect, ...] | None:
        """Let the hunt see the frame when it is due; what it offers, if that is new."""
        if self._changed:
            self._changed = False
            hunt.forget_covered(self._gate.covered, detected.frame)
        if found is not None and hunt.due(now_s):
            hunt.sample(detected, found, tracks, now_s)
        return hunt.news()

    def _redefine(self, definitions: Definitions) -> list[Happening]:
        """Use other definitions; what they ignore ends at once, and so do its stays."""
        closed = self._analytics.redefine(definitions.zones, definitions.lines)
        return closed + self._regate(self._gate.redefine(definitions))

    def _regate(self, changed: bool) -> list[Happening]:
        """End what the gate ignores now, if it has changed, and the stays of that."""
        self._changed |= changed
        if not changed or self._last is None:
            return []
        gone = self._gate.gone(self._last.tracks, self._last.frame)
        self._tracker.end(gone)
        self._adopted.end(gone)
        return self._analytics.dismiss(gone.tolist())


@dataclass(frozen=True, slots=True)
class _Begun:
    """What a watch knows of a frame before tracking.

    Attributes:
        given: What the tracker is given.
        ignored: What masks and filters dropped.
        definitions: Those that are new since the previous frame.
        closed: What ended because of them, or of a restart.
    """

    given: Given
    ignored: Ignored | None
    definitions: Definitions | None
    closed: list[Happening]


def update_all(detected: Sequence[Detected], watches: Mapping[str, Watch]) -> list[Analysed]:
    """Pass frames to the watches of their cameras.

    The frames of different cameras go through the trackers together, which costs far less than one after the
    other. Those of one camera follow each other.

    Args:
        detected: Frames of any cameras, each camera's in their order.
        watches: By camera.

    Returns:
        What is known of each frame, in the order of the frames.
    """
    if len(detected) == 1:
        return [watches[detected[0].frame.camera].update(detected[0])]
    rounds: list[list[int]] = []
    turns: Counter[str] = Counter()
    found: dict[int, Analysed] = {}
    for place, item in enumerate(detected):
        if item.followed is not None:
            found[place] = watches[item.frame.camera].update(item)
            continue
        turn = turns[item.frame.camera]
        turns[item.frame.camera] += 1
        if turn == len(rounds):
            rounds.append([])
        rounds[turn].append(place)
    for places in rounds:
        items = [detected[place] for place in places]
        found |= zip(
            places, Watch.update_each([watches[one.frame.camera] for one in items], items), strict=True
        )
    return [found[place] for place in range(len(detected))]
