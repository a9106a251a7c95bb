"""What one camera ignores now: its masks and filters, which may change while it runs, and their counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edge_node.config.saved.definitions import Definitions
from edge_node.frames import I64, Detections, Frame, Tracks
from edge_node.ignore.rules import REASONS, Ignored, Rules
from shared.geometry import Bool

_MASK = "mask:"


class IgnoreGate:
    """Lets through what is not ignored. A camera without masks and filters costs nothing.

    Args:
        definitions: The camera's.
        class_names: Names by class id.

    Attributes:
        counts: Detections dropped so far by reason, and by ``mask:NAME`` for each mask. Any thread may read a
            copy.
    """

    def __init__(self, definitions: Definitions, class_names: Sequence[str]) -> None:
        self._class_names = tuple(class_names)
        self._definitions, self._resting = definitions, frozenset[str]()
        self._rules = self._compiled()
        self.counts: Counter[str] = Counter()

    def redefine(self, definitions: Definitions) -> bool:
        """Use other masks and filters; return whether they differ."""
        before, self._definitions = self._definitions, definitions
        if (before.masks, before.filters) == (definitions.masks, definitions.filters):
            return False
        self._rules = self._compiled()
        gone = {f"{_MASK}{name}" for name in before.masks.keys() - definitions.masks.keys()}
        for key in gone & self.counts.keys():  # else the counts of masks with ever new names would pile up
            del self.counts[key]
        return True

    def rest(self, masks: frozenset[str]) -> bool:
        """Let masks of these names drop nothing, and all others work; return whether that is a change."""
        before, self._resting = self._resting, masks
        changed = bool((before ^ masks) & self._definitions.masks.keys())
        if changed:
            self._rules = self._compiled()
        return changed

    def drop(self, found: Detections, frame: Frame) -> tuple[Detections, Ignored | None]:
        """The detections of a frame that are let through, and the others; None if there are no others."""
        if self._rules is None or not len(found):
            return found, None
        kept, ignored = self._rules.drop(found, frame.width, frame.height)
        if ignored is not None:
            self._count(ignored)
        return kept, ignored

    def hide(self, tracks: Tracks, frame: Frame) -> Tracks:
        """The tracks without those inside a mask: the tracker predicts objects also into masks."""
        if self._rules is None or not self._rules.masks or not len(tracks):
            return tracks
        masked = self._rules.masked(tracks, frame.width, frame.height)
        return _only(tracks, ~masked) if masked.any() else tracks

    def gone(self, tracks: Tracks, frame: Frame) -> I64:
        """The ids of those tracks that would not be let through now."""
        if self._rules is None or not len(tracks):
            return np.zeros(0, np.int64)
        return np.asarray(tracks.track_id[self._rules.drops(tracks, frame.width, frame.height)])

    def covered(self, found: Detections, frame: Frame) -> Bool:
        """Which detections of a frame, in pixels, would be dropped now; they are not counted."""
        if self._rules is None:
            return np.zeros(len(found), np.bool_)
        return self._rules.drops(found, frame.width, frame.height)

    def _compiled(self) -> Rules | None:
        filters = self._definitions.filters
        masks = {name: one for name, one in self._definitions.masks.items() if name not in self._resting}
        return Rules(masks, filters, self._class_names) if masks or filters else None

    def _count(self, ignored: Ignored) -> None:
        for code, many in zip(*np.unique(ignored.reason, return_counts=True), strict=True):
            self.counts[REASONS[code]] += int(many)
        masks = ignored.mask[ignored.mask >= 0]
        for index, many in zip(*np.unique(masks, return_counts=True), strict=True):
            self.counts[f"{_MASK}{ignored.masks[index]}"] += int(many)


def _only(tracks: Tracks, kept: Bool) -> Tracks:
    return replace(
        tracks,
        xyxy=tracks.xyxy[kept],
        score=tracks.score[kept],
        class_id=tracks.class_id[kept],
        track_id=tracks.track_id[kept],
        age_s=tracks.age_s[kept],
        velocity=tracks.velocity[kept],
        predicted=tracks.predicted[kept],
    )
