"""Finds what may be static false positives: the same class at one place for hours, where no pixel moves.

It looks at a picture every other second, not at every frame, and at all detections, also doubtful ones. It
offers what it finds; nothing is masked before somebody says so.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from edge_node.frames import Detected, Detections, Frame, Tracks
from edge_node.ignore import looks
from edge_node.ignore.places import Glance, Place
from edge_node.ignore.samples import Sample
from edge_node.pictures import U8
from shared import limits
from shared.geometry import F32, Bool, iou
from shared.wire.messages import Point, Suspect

SAMPLE_S = 2.0
"""Seconds between two pictures that are looked at."""
MOST_PLACES = 256
"""Places of a camera that are watched; with more, those found least are forgotten."""
_MOST_DETECTIONS = 100
_SAME = 0.5  # intersection over union from which a box is at a place
_BEFORE_S = 60.0  # seconds between the pictures that show how places looked before
_REFRESH_S = 600.0  # seconds after which the numbers of what is offered are said again
_LONGEST_WAIT_S = 60.0  # how much of the time counts in which the network did not look at a place
_WIDER, _HIGHER = 0.05, 0.1  # how far a proposed mask reaches beyond the box, in its sides

Covered = Callable[[Detections, Frame], Bool]
"""Which detections of a frame, in pixels, masks and filters drop now."""
Remembered = tuple[str, tuple[float, float, float, float]]
"""Class and box of a thing that somebody has called real."""


class SuspectHunt:
    """Watches the places of one camera.

    Args:
        after_s: Seconds for which a thing must have been found; 0 offers nothing and costs nothing.
        class_names: Names by class id.
        places: What an earlier run has offered.
        real: What people have called real.
    """

    def __init__(
        self,
        after_s: float,
        class_names: Sequence[str],
        places: Sequence[Place] = (),
        real: Sequence[Remembered] = (),
    ) -> None:
        self._after_s = after_s
        self._class_names = tuple(class_names)
        self._places = list(places) if after_s else []
        self._real = list(real)
        self._lock = threading.Lock()
        self._last_s: float | None = None
        self._picture: U8 | None = None
        self._olds: deque[U8] = deque(maxlen=3)
        self._until_old_s = self._until_news_s = 0.0
        self._news = bool(places)

    def reconfigure(self, after_s: float) -> None:
        """Watch things for another time from now on; 0 offers nothing any more. Any thread may call this."""
        with self._lock:
            self._after_s = after_s
            if not after_s:
                self._keep([])

    @property
    def places(self) -> list[Place]:
        """All places that are watched now."""
        with self._lock:
            return list(self._places)

    @property
    def offered(self) -> list[Place]:
        """What is offered now, longest first."""
        with self._lock:
            return self._offered()

    @property
    def real(self) -> list[Remembered]:
        """What people have called real."""
        with self._lock:
            return list(self._real)

    def offers(self) -> tuple[Suspect, ...]:
        """What is offered now, as messages say it. Any thread may call this."""
        with self._lock:
            return tuple(self._told(place) for place in self._offered())

    def dismiss(self, suspect: str) -> bool:
        """Never offer this thing again; False if it is not offered. Any thread may call this."""
        with self._lock:
            for place in self._offered():
                if place.id == suspect:
                    box = tuple(round(float(side), 5) for side in place.box)
                    self._real.append((self._class_names[place.class_id], box))  # type: ignore[arg-type]  # four
                    del self._real[: -limits.REAL_THINGS]
                    place.offered, self._news = False, True
                    return True
        return False

    def due(self, now_s: float) -> bool:
        """Whether it is time to look at a picture: asked for every frame."""
        return self._after_s > 0 and (self._last_s is None or not 0 <= now_s - self._last_s < SAMPLE_S)

    def news(self) -> tuple[Suspect, ...] | None:
        """What is offered, if that has changed since the last call; else None."""
        if not self._news:
            return None
        with self._lock:
            self._news = False
            return tuple(self._told(place) for place in self._offered())

    def forget_covered(self, covered: Covered, frame: Frame) -> None:
        """Forget the places that masks and filters cover now."""
        size = np.array([frame.width, frame.height] * 2, np.float64)
        with self._lock:
            if not self._places:
                return
            boxes = (np.array([place.box for place in self._places]) * size).astype(np.float32)
            scores = np.array([place.score for place in self._places], np.float32)
            class_ids = np.array([place.class_id for place in self._places], np.int32)
            gone = covered(Detections(boxes, scores, class_ids), frame)
            self._keep([place for place, one in zip(self._places, gone.tolist(), strict=True) if not one])

    def sample(self, detected: Detected, found: Detections, tracks: Tracks, now_s: float) -> None:
        """Look at one picture.

        Args:
            detected: The frame, and where the network looked.
            found: Its detections that were let through, in pixels.
            tracks: Its tracks.
            now_s: Its time on the clock of analytics.
        """
        frame = detected.frame
        since_s = SAMPLE_S if self._last_s is None else now_s - self._last_s
        dt = min(max(since_s, 0.0), 3 * SAMPLE_S)  # what was not watched does not count
        self._last_s = now_s
        best = found[np.argsort(-found.score)[:_MOST_DETECTIONS]]
        picture, before = looks.shrink(frame.picture), None if frame.restarted else self._picture
        with self._lock:
            noise = 0.0 if before is None else looks.noise_of(before, picture)
            if before is not None and looks.light_changed(before, picture, noise):
                before = None
                self._olds.clear()
                for place in self._places:
                    place.forget_looks()
            changes = None if before is None else looks.changes(before, picture, noise)
            sample = Sample(frame, best, tracks, detected.looked, picture, changes, dt)
            self._begin(sample, ~self._watch(sample))
            self._settle(dt)
        self._picture = picture
        self._until_old_s -= dt
        if self._until_old_s <= 0:
            self._until_old_s = _BEFORE_S
            self._olds.append(picture)
            with self._lock:
                self._unite()

    def _watch(self, sample: Sample) -> Bool:
        """Tell every place what this picture shows of it; return which detections belong to one."""
        found = sample.found
        taken = np.zeros(len(found), np.bool_)
        if not self._places:
            return taken
        places = np.array([place.box for place in self._places])
        class_ids = np.array([place.class_id for place in self._places], np.int32)[:, None]
        boxes = sample.boxes
        at = iou(places, boxes) * (class_ids == found.class_id[None])
        followed = iou(places, sample.fractions(sample.tracks.xyxy)) * (class_ids == sample.tracks.class_id)
        reported = (followed >= _SAME).any(axis=1)
        now, moved = sample.looks(places)
        usual = [
            look if place.look is None else place.look for place, look in zip(self._places, now, strict=True)
        ]
        like = looks.likeness(now, np.array(usual)).tolist()
        looked_at = sample.looked_at(places)
        for row, place in enumerate(self._places):
            place.waited_s = min(place.waited_s + sample.dt, _LONGEST_WAIT_S)
            best = int(at[row].argmax()) if len(found) else -1
            seen = best >= 0 and at[row, best] >= _SAME
            if not seen and not looked_at[row]:
                continue
            taken |= at[row] >= _SAME
            place.note(
                Glance(
                    place.waited_s,
                    sample.at_us,
                    now[row],
                    like[row],
                    None if moved is None else bool(moved[row]),
                    float(found.score[best]) if seen else None,
                    boxes[best] if seen else None,
                    bool(reported[row]),
                )
            )
        return taken

    def _begin(self, sample: Sample, new: Bool) -> None:
        """Begin to watch the places of new detections in which nothing moves."""
        rows = new.nonzero()[0]
        if sample.changes is None or not len(rows):
            return
        boxes, found = sample.boxes[rows], sample.found[rows]
        now, moved = sample.looks(boxes)
        like = looks.likeness(now, now).tolist()
        olds = list(self._olds)[:-1]  # the newest may show what has just come
        earlier = [looks.looks(old, boxes) for old in olds]
        for row in (~moved).nonzero()[0].tolist() if moved is not None else ():
            known: F32 | None = np.stack([one[row] for one in earlier]) if earlier else None
            place = Place(int(found.class_id[row]), boxes[row].copy(), sample.at_us, sample.at_us, known)
            place.note(
                Glance(0.0, sample.at_us, now[row], like[row], None, float(found.score[row]), boxes[row])
            )
            self._places.append(place)

    def _unite(self) -> None:
        """Keep the oldest of the places that are one: a box that trembles may begin two."""
        if len(self._places) < 2:
            return
        places = sorted(self._places, key=lambda place: -place.watched_s)
        class_ids = np.array([place.class_id for place in places])
        boxes = np.array([place.box for place in places])
        one = (iou(boxes, boxes) >= _SAME) & (class_ids[:, None] == class_ids[None])
        repeated = np.triu(one, 1).any(axis=0).tolist()
        self._keep([place for place, again in zip(places, repeated, strict=True) if not again])

    def _settle(self, dt: float) -> None:
        """Forget what has faded, and offer what has become suspect."""
        self._keep([place for place in self._places if not place.faded])
        if len(self._places) > MOST_PLACES:
            kept = sorted(self._places, key=lambda place: (place.offered, place.came, place.seen))
            self._keep(kept[-MOST_PLACES:])
        for place in self._places:
            offered = place.is_suspect(self._after_s) and not self._is_real(place)
            if place.offered != offered:
                place.offered, self._news = offered, True
        self._until_news_s -= dt
        if self._until_news_s <= 0:
            self._until_news_s = _REFRESH_S
            self._news |= any(place.offered for place in self._places)

    def _keep(self, places: list[Place]) -> None:
        if any(place.offered and place not in places for place in self._places):
            self._news = True
        self._places = places

    def _offered(self) -> list[Place]:
        offered = [place for place in self._places if place.offered]
        return sorted(offered, key=lambda place: -place.watched_s)[: limits.SUSPECTS]

    def _is_real(self, place: Place) -> bool:
        label = self._class_names[place.class_id]
        boxes = [box for real, box in self._real if real == label]
        return bool(boxes) and bool((iou(np.array(boxes), place.box[None]) >= _SAME).any())

    def _told(self, place: Place) -> Suspect:
        box = np.clip(place.box, 0.0, 1.0)
        x1, y1, x2, y2 = (round(side, 5) for side in box.tolist())
        return Suspect(
            id=place.id,
            class_id=place.class_id,
            label=self._class_names[place.class_id],
            box=(x1, y1, x2, y2),
            polygon=_around(box),
            since_us=place.since_us,
            last_us=place.last_us,
            seen_share=round(place.seen / max(place.samples, 1), 3),
            score=round(place.score, 3),
        )


def _around(box: npt.NDArray[np.float64]) -> tuple[Point, ...]:
    """A mask that covers a thing by the middle of its lower edge, also where its box trembles."""
    x1, y1, x2, y2 = box.tolist()
    wide, high = _WIDER * (x2 - x1), _HIGHER * (y2 - y1)
    left, right = round(max(x1 - wide, 0.0), 4), round(min(x2 + wide, 1.0), 4)
    top, bottom = round(max(y1 - high, 0.0), 4), round(min(y2 + high, 1.0), 4)
    return ((left, top), (right, top), (right, bottom), (left, bottom))
