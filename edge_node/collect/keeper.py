"""Looks at the pixels of chosen frames, encodes them, and keeps them on a camera's shelf."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import msgspec
import numpy as np

from edge_node.analytics.watch import Analysed
from edge_node.collect.chooser import Candidate, Chooser, Encoded
from edge_node.collect.looks import Known, SecondLook
from edge_node.collect.scenes import HEIGHT, WIDTH, Scene, Scenes
from edge_node.collect.shelf import NoRoom, Shelf
from edge_node.frames import Detections, Frame
from edge_node.pictures import as_jpeg
from shared import limits
from shared.collected import VERSION, Collected, Proposal, Reason, Seeing
from shared.pictures import refusal
from shared.wire.messages import CollectMetrics, now_us

log = logging.getLogger("darner.collect")

_HOUR_US = 3_600_000_000
_REMEMBERED = 64
_RETRY_S = 30.0
"""How long nothing is chosen after a picture could not be written, seconds."""


class Source:
    """Where kept pictures come from, for their sidecars.

    Args:
        node: The node's name.
        session: Its run.
        class_names: By class id.
        model: Gives the model that runs now.
    """

    def __init__(
        self, node: str, session: str, class_names: Sequence[str], model: Callable[[], Seeing]
    ) -> None:
        self._node, self._session, self._class_names, self._model = node, session, class_names, model

    def says(self, camera: str, item: Analysed, light: float) -> Collected:
        """What is said of a frame; the reasons are not right yet."""
        frame, tracks = item.frame, item.tracks
        return Collected(
            version=VERSION,
            node=self._node,
            camera=camera,
            session=self._session,
            seq=frame.seq,
            captured_us=frame.captured_ns // 1000,
            reasons=("new_scene",),
            size=(frame.width, frame.height),
            light=round(light, 4),
            model=self._model(),
            boxes=self.proposals(
                Detections(tracks.xyxy, tracks.score, tracks.class_id), frame.width, frame.height
            ),
        )

    def proposals(self, found: Detections, width: int, height: int) -> tuple[Proposal, ...]:
        """Boxes as fractions of the picture; what has no area inside it is left out."""
        size = np.array([width, height, width, height], np.float64)
        boxes = np.clip(found.xyxy / size, 0.0, 1.0).round(5)
        whole = (boxes[:, :2] < boxes[:, 2:]).all(axis=1).nonzero()[0][: limits.DETECTIONS]
        scores = np.clip(found.score.astype(np.float64), 0.0, 1.0).round(4)
        return tuple(
            Proposal(
                label=limits.clipped(self._class_names[found.class_id[row]], limits.LABEL_LENGTH) or "?",
                score=float(scores[row]),
                xyxy=tuple(boxes[row].tolist()),
            )
            for row in whole
        )


class Keeper:
    """Keeps frames of one camera. One thread uses it; any thread may read `metrics`.

    Args:
        camera: The camera's name.
        chooser: Chose the frames, and is told what was kept.
        shelf: Takes the pictures.
        source: What sidecars say besides.
        second_look: Lets the network look at a mirrored frame; None: nobody does.
        hourly: Whether the limit by the hour holds; a film is not bounded by its own time.
    """

    def __init__(
        self,
        camera: str,
        chooser: Chooser,
        shelf: Shelf,
        source: Source,
        second_look: SecondLook | None = None,
        *,
        hourly: bool = True,
    ) -> None:
        self._camera, self._chooser, self._shelf, self._source = camera, chooser, shelf, source
        self._second_look, self._hourly = second_look, hourly
        self._scenes, self._contested = Scenes(), Known()
        self._recent: deque[int] = deque()
        self._opened = False
        self._last: tuple[Reason | None, int | None] = (None, None)
        self._trouble: str | None = None
        self.dropped: Counter[str] = Counter()
        """Frames that were worth labelling and are not kept, by reason: busy, no_room, failed."""

    def metrics(self) -> CollectMetrics:
        """What is kept now."""
        reason, captured_us = self._last
        return CollectMetrics(
            pictures=len(self._shelf),
            bytes=self._shelf.size,
            dropped=dict(self.dropped),
            last_reason=reason,
            last_captured_us=captured_us,
            trouble=self._trouble and limits.clipped(self._trouble),
        )

    def open(self) -> None:
        """See what is kept already, and give up what the settings have no room for."""
        self._attempted(self._open)

    def take(self, candidate: Candidate) -> bool:
        """Do what is to be done with a frame; whether it was kept."""
        if candidate.done:
            return False
        try:
            kept = self._attempted(lambda: self._take(candidate))
        finally:
            candidate.item = None
        if kept is None:
            candidate.done = True
            self._chooser.wait(candidate.now_s, _RETRY_S)
        return bool(kept)

    def _open(self) -> bool:
        settings = self._chooser.settings
        self._look()
        self._shelf.make_room(None, settings.pictures, round(settings.megabytes * 1e6))
        return True

    def _take(self, candidate: Candidate) -> bool:
        self._look()
        if candidate.encoded is None:
            if candidate.item is None or not self._has_budget(candidate):
                candidate.done = True
                return False
            candidate.encoded = self._encoded(candidate, candidate.item)
        if candidate.step == "hold":
            return False
        candidate.done = True
        return candidate.encoded is not None and self._keep(candidate, candidate.encoded)

    def _look(self) -> None:
        """See, once, what is kept already; and forget it when people have deleted the folder."""
        if self._opened:
            if len(self._shelf) and not self._shelf.folder.exists():
                self._shelf.look()
                self._scenes, self._contested = Scenes(), Known()
            return
        self._shelf.tidy()
        self._shelf.look()
        for path in self._shelf.newest(_REMEMBERED):
            if (scene := _scene(path)) is not None:
                self._scenes.learn(scene)
        self._recent.extend(self._shelf.within(now_us(), _HOUR_US))
        self._opened = True

    def _encoded(self, candidate: Candidate, item: Analysed) -> Encoded | None:
        """What a frame becomes on the shelf; None if it is not worth it."""
        frame = item.frame
        scene = Scene.of(frame.picture)
        more: tuple[Proposal, ...] = ()
        if candidate.step == "look":
            found = self._look_again(candidate, frame)
            if found is not None:
                candidate.reasons = ("disagreement",)
                more = self._source.proposals(found, frame.width, frame.height)
        if candidate.step != "hold":  # the reasons of a held frame follow, perhaps at this moment
            if "new_scene" in self._chooser.settings.reasons and self._scenes.is_new(scene):
                candidate.reasons += ("new_scene",)
            if not candidate.reasons:
                return None
        jpeg = as_jpeg(frame.picture, (frame.width, frame.height), self._chooser.settings.quality)
        said = self._source.says(self._camera, item, scene.light)
        boxes = (said.boxes + more)[: limits.DETECTIONS]
        return Encoded(jpeg, msgspec.structs.replace(said, boxes=boxes), scene)

    def _look_again(self, candidate: Candidate, frame: Frame) -> Detections | None:
        """What only a second look has found; None if both looks agree, or disagree about what is known."""
        first, sure = candidate.first, candidate.sure
        if self._second_look is None or first is None or sure is None:
            return None
        gone, new = self._second_look.contested(frame, first, sure)
        if not (self._contested.are_news(gone) or self._contested.are_news(new)):
            return None
        self._contested.learn(gone)
        self._contested.learn(new)
        return new

    def _keep(self, candidate: Candidate, encoded: Encoded) -> bool:
        settings = self._chooser.settings
        said = msgspec.structs.replace(encoded.said, reasons=candidate.reasons)
        self._shelf.add(encoded.jpeg, said, settings.pictures, round(settings.megabytes * 1e6))
        self._scenes.learn(encoded.scene)
        self._recent.append(said.captured_us)
        self._last = said.reasons[0], said.captured_us
        self._chooser.kept(said.reasons[0], candidate.now_s, self._pause_s(said.captured_us))
        return True

    def _has_budget(self, candidate: Candidate) -> bool:
        """Whether another picture may be added in this hour."""
        now = candidate.item.frame.captured_ns // 1000 if candidate.item is not None else 0
        if not self._hourly or self._used(now) < self._chooser.settings.per_hour:
            return True
        self._chooser.wait(candidate.now_s, self._pause_s(now))
        return False

    def _used(self, now_us: int) -> int:
        """How many pictures were added in the hour before; a clock that was set back changes nothing."""
        while self._recent and abs(now_us - self._recent[0]) >= _HOUR_US:
            self._recent.popleft()
        return len(self._recent)

    def _pause_s(self, now_us: int) -> float:
        """How long no picture follows: what is left of an hour's pictures is shared out over the hour."""
        settings = self._chooser.settings
        used = self._used(now_us) if self._hourly else 0
        if used >= settings.per_hour:
            return max(settings.interval_s, (self._recent[0] + _HOUR_US - now_us) / 1e6)
        if 2 * used >= settings.per_hour:
            return max(settings.interval_s, 3600 / settings.per_hour)
        return settings.interval_s

    def _attempted(self, work: Callable[[], bool]) -> bool | None:
        """What `work` returns; None if it failed, which is counted, and said once until a frame is kept."""
        try:
            done = work()
        except NoRoom as error:
            self._went_wrong("no_room", str(error))
            return None
        except OSError as error:
            self._went_wrong("failed", f"{error.filename or self._shelf.folder}: {error.strerror or error}")
            return None
        if done and self._trouble is not None:
            log.info("camera %s: frames are kept for labelling again", self._camera)
            self._trouble = None
        return done

    def _went_wrong(self, reason: str, trouble: str) -> None:
        self.dropped[reason] += 1
        if trouble != self._trouble:
            log.warning("camera %s: no frame is kept for labelling: %s", self._camera, trouble)
        self._trouble = trouble


def _scene(path: Path) -> Scene | None:
    """What a kept picture looks like; None if it is none, or one that cannot be decoded safely."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if refusal(data) is not None:
        return None
    grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)
    if grey is None:
        return None
    return Scene.of_grey(
        np.asarray(cv2.resize(grey, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)
    )
