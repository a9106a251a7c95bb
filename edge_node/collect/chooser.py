"""Chooses frames of one camera that are worth labelling, without looking at a pixel.

It runs in the thread that tracks. So it looks a few times a second, and not at all while no picture is due.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal

from edge_node.analytics.watch import Analysed
from edge_node.collect.doubts import Doubts, came_back, ended, vanished
from edge_node.collect.looks import guess_fails, tiles_disagree
from edge_node.collect.scenes import Scene
from edge_node.config.collecting import CollectSettings
from edge_node.config.settings import TrackerSettings
from edge_node.frames import Detected, Detections, Tracks
from shared.collected import Collected, Reason
from shared.geometry import F32

_CHECK_S = 0.18
"""How often a frame is looked at, seconds; while an object is missing, every frame is."""
_TILES_EVERY_S = 1.0
_HOLD_EVERY_S = 1.0  # least time between two frames that are encoded in case they are to be kept
_FORGET_S = 15.0  # how long an object may be missing before nobody asks any more whether it comes back
_TURNS = 4  # intervals for which a reason waits after it was the one that decided, so that others have a turn

Step = Literal["keep", "hold", "sample", "look"]
"""What is to be done with a frame: keep it; encode it in case it is to be kept; see whether its scene is new;
let the network look at it a second time."""


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A frame that is ready to be kept: its JPEG, its sidecar but for the reasons, and its scene."""

    jpeg: bytes
    said: Collected
    scene: Scene


@dataclass(slots=True, eq=False)
class Candidate:
    """A frame that may be worth labelling. One that is held is handed on twice: to be encoded and to be kept.

    Attributes:
        step: What is to be done with it.
        now_s: When that was said, on the clock of analytics, seconds.
        item: The frame and its tracks; None once it is encoded, so that nobody holds its pixels any more.
        reasons: Why it is worth labelling.
        encoded: What it became, if it is held.
        first: What the network found in it, for a second look.
        sure: By class id, the score from which on an object should be found.
        done: Whether it was kept or given up.
    """

    step: Step
    now_s: float
    item: Analysed | None
    reasons: tuple[Reason, ...] = ()
    encoded: Encoded | None = None
    first: Detections | None = None
    sure: F32 | None = None
    done: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Missed:
    """Objects that were missed, from when on, and the frame in which they are."""

    track_ids: Sequence[int]
    since_s: float
    candidate: Candidate


class Chooser:
    """Chooses the frames of one camera.

    Args:
        settings: What to choose.
        tracking: Where the tracker draws its lines.
        looks_again: Whether somebody takes frames for a second look.
    """

    def __init__(
        self, settings: CollectSettings, tracking: TrackerSettings, *, looks_again: bool = False
    ) -> None:
        self.settings = settings
        self._looks_again = looks_again
        self._doubts = Doubts(tracking)
        self._before: Tracks | None = None
        self._guess: tuple[Tracks, float] | None = None
        self._missed: _Missed | None = None
        self._check_s = self._next_s = self._scene_s = self._look_s = self._tiles_s = -inf
        self._hold_s = -inf
        self._turns: defaultdict[Reason, float] = defaultdict(lambda: -inf)

    def choose(self, detected: Detected, item: Analysed) -> Candidate | None:
        """Look at the next frame.

        Args:
            detected: The frame, and what the network found in it.
            item: The same frame, and its tracks.

        Returns:
            A frame for `Keeper.take`, if there is one: this one, or one that was held.
        """
        now_s = item.now_s
        if detected.detections is None:
            self._guess = item.tracks, now_s
            return None
        if now_s < self._check_s and self._missed is None and not item.frame.restarted:
            self._guess = None
            return None
        if item.frame.restarted:
            self.forget()
        before, guess = self._before, self._guess
        self._before, self._guess = item.tracks, None
        self._check_s = now_s + _CHECK_S
        if self._missed is not None and (settled := self._settle(self._missed, item.tracks, now_s)):
            return settled
        if now_s < self._next_s:
            if self._missed is None and self._next_s - now_s > 2 * _CHECK_S:
                self._before, self._check_s = None, self._next_s - _CHECK_S
            return None
        return self._doubted(detected, item, before, guess) or self._sampled(detected, item)

    def forget(self) -> None:
        """Forget the frames before: they say nothing about the next one."""
        self._before = self._guess = self._missed = None
        self._check_s = -inf

    def kept(self, reason: Reason, now_s: float, pause_s: float) -> None:
        """Take note that a frame was kept; any thread may call this.

        Args:
            reason: The first reason.
            now_s: The frame's time on the clock of analytics, seconds.
            pause_s: For how long no other is to be kept, seconds.
        """
        self._next_s = now_s + pause_s
        self._turns[reason] = now_s + max(pause_s, self.settings.interval_s * _TURNS)

    def wait(self, now_s: float, pause_s: float) -> None:
        """Choose nothing for `pause_s` seconds; any thread may call this."""
        self._next_s = now_s + pause_s

    def _wants(self, reason: Reason, now_s: float) -> bool:
        return reason in self.settings.reasons and now_s >= self._turns[reason]

    def _settle(self, missed: _Missed, tracks: Tracks, now_s: float) -> Candidate | None:
        """Hand on the held frame when it is clear what became of the objects that are missing in it."""
        reason: Reason
        if came_back(missed.track_ids, tracks):
            reason = "flicker"
        elif ended(missed.track_ids, tracks):
            reason = "lost_track"
        else:
            if now_s - missed.since_s > _FORGET_S:
                self._missed = None
            return None
        self._missed = None
        if now_s < self._next_s or not self._wants(reason, now_s):
            return None
        missed.candidate.reasons = (reason,)
        missed.candidate.step = "keep"  # last: its encoder may be about to read it
        return self._handed_on(missed.candidate, now_s)

    def _doubted(
        self, detected: Detected, item: Analysed, before: Tracks | None, guess: tuple[Tracks, float] | None
    ) -> Candidate | None:
        """The frame, if what the network found in it is doubtful."""
        now_s, tracks = item.now_s, item.tracks
        reasons: list[Reason] = []
        if self._doubts.hardly_seen(tracks) and self._wants("low_score", now_s):
            reasons.append("low_score")
        if self._wants("disagreement", now_s):
            if guess is not None:
                expected, at_s = guess
                if guess_fails(expected, now_s - at_s, tracks):
                    reasons.append("disagreement")
            elif detected.tiles is not None and now_s >= self._tiles_s:
                self._tiles_s = now_s + _TILES_EVERY_S
                if tiles_disagree(detected, self._doubts.sure()):
                    reasons.append("disagreement")
        if reasons:
            return self._handed_on(Candidate("keep", now_s, item, tuple(reasons)), now_s)
        if before is not None and self._missed is None and len(before):
            return self._hold(before, item)
        return None

    def _hold(self, before: Tracks, item: Analysed) -> Candidate | None:
        """The frame, if an object is missing in it: whether it comes back or not, that is worth a label."""
        now_s = item.now_s
        wanted = self._wants("flicker", now_s) or self._wants("lost_track", now_s)
        if not wanted or now_s < self._hold_s:
            return None
        gone = vanished(before, item)
        if not gone:
            return None
        self._hold_s = now_s + _HOLD_EVERY_S
        held = Candidate("hold", now_s, item)
        self._missed = _Missed(gone, now_s, held)
        return held

    def _sampled(self, detected: Detected, item: Analysed) -> Candidate | None:
        """The frame, if it is time to look at its pixels."""
        settings, now_s = self.settings, item.now_s
        if now_s >= self._scene_s and self._wants("new_scene", now_s):
            self._scene_s = now_s + settings.interval_s
            return Candidate("sample", now_s, item)
        # A look at the whole frame would miss all that only a tile shows.
        looks = self._looks_again and settings.second_look_s > 0 and detected.tiles is None
        second = looks and now_s >= self._look_s
        if second and self._wants("disagreement", now_s):
            self._look_s = now_s + settings.second_look_s
            sure = self._doubts.sure()
            return Candidate("look", now_s, item, first=detected.detections, sure=sure)
        return None

    def _handed_on(self, candidate: Candidate, now_s: float) -> Candidate:
        self._next_s = now_s + self.settings.interval_s  # until somebody says what became of it
        candidate.now_s = now_s
        return candidate
