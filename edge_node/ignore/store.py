"""The hunts of all cameras of a node, and the file that keeps what they offered and what is real."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
from msgspec import Meta

from edge_node.config.camera_settings import CameraSettings
from edge_node.ignore.places import Place
from edge_node.ignore.suspects import SuspectHunt
from shared import limits
from shared.errors import OutputError
from shared.storage.state_file import StateFile
from shared.wire.messages import Count, Fraction, Id, Label, Suspect

log = logging.getLogger("darner.suspects")

_Box = tuple[Fraction, Fraction, Fraction, Fraction]


@dataclass(frozen=True, kw_only=True)
class _Real:
    label: Label
    box: _Box


@dataclass(frozen=True, kw_only=True)
class _Offered:
    id: Id
    label: Label
    box: _Box
    since_us: Count
    last_us: Count
    watched_s: Annotated[float, Meta(ge=0, le=limits.SECONDS)]
    samples: Count
    seen: Count
    score: Fraction


@dataclass(frozen=True, kw_only=True)
class _Camera:
    real: Annotated[tuple[_Real, ...], Meta(max_length=limits.REAL_THINGS)] = ()
    offered: Annotated[tuple[_Offered, ...], Meta(max_length=limits.SUSPECTS)] = ()


@dataclass(frozen=True, kw_only=True)
class _File:
    cameras: dict[Id, _Camera] = field(default_factory=dict)


class SuspectStore:
    """The hunts of a node.

    Args:
        path: The file; None keeps what people say until the node stops.
        cameras: The configured cameras by name.
        class_names: Names by class id.

    Attributes:
        hunts: By camera.
    """

    def __init__(
        self, path: Path | None, cameras: Mapping[str, CameraSettings], class_names: Sequence[str]
    ) -> None:
        self._file = StateFile(path, _File, "suspects are searched anew")
        self._lock, self._class_names = threading.Lock(), tuple(class_names)
        saved = (self._file.read() or _File()).cameras
        self.hunts = {
            name: self._hunt(settings, saved.get(name, _Camera())) for name, settings in cameras.items()
        }
        self._written = self._content()

    def offers(self) -> dict[str, tuple[Suspect, ...]]:
        """What is offered on each camera now."""
        return {name: hunt.offers() for name, hunt in self.hunts.items()}

    def reconfigure(self, cameras: Mapping[str, CameraSettings]) -> None:
        """Use the cameras' settings from now on."""
        for name, hunt in self.hunts.items():
            hunt.reconfigure(cameras[name].suspects.after_s)

    def dismiss(self, camera: str, suspect: str) -> bool:
        """Never offer this thing again, also after a restart; False if it is not offered.

        Raises:
            OutputError: The file cannot be written; it is offered again after a restart.
        """
        if not self.hunts[camera].dismiss(suspect):
            return False
        self._write()
        return True

    def keep(self) -> None:
        """Write what is offered if that has changed; a file that cannot be written is logged."""
        try:
            self._write()
        except OutputError as error:
            log.warning("%s", error)

    def _write(self) -> None:
        with self._lock:
            content = self._content()
            if content.keys == self._written.keys:
                return
            self._written = content
            self._file.write(content.file, "what was said of suspects holds until the node ends")

    def _hunt(self, settings: CameraSettings, saved: _Camera) -> SuspectHunt:
        ids = {name: index for index, name in enumerate(self._class_names)}
        places = [_restored(one, ids[one.label]) for one in saved.offered if one.label in ids]
        real = [(one.label, one.box) for one in saved.real]
        return SuspectHunt(settings.suspects.after_s, self._class_names, places, real)

    def _content(self) -> _Content:
        cameras, keys = {}, []
        for name, hunt in self.hunts.items():
            places, real = hunt.offered, hunt.real
            keys.append((name, tuple(place.id for place in places), tuple(real)))
            if places or real:
                cameras[name] = _Camera(
                    real=tuple(_Real(label=label, box=box) for label, box in real),
                    offered=tuple(_saved(place, self._class_names[place.class_id]) for place in places),
                )
        return _Content(_File(cameras=cameras), tuple(keys))


@dataclass(frozen=True)
class _Content:
    file: _File
    keys: tuple[object, ...]  # what makes another file necessary: numbers that grow do not


def _saved(place: Place, label: str) -> _Offered:
    x1, y1, x2, y2 = np.clip(place.box, 0.0, 1.0).round(5).tolist()
    return _Offered(
        id=place.id,
        label=label,
        box=(x1, y1, x2, y2),
        since_us=place.since_us,
        last_us=place.last_us,
        watched_s=round(place.watched_s, 3),
        samples=place.samples,
        seen=place.seen,
        score=round(min(place.score, 1.0), 4),
    )


def _restored(saved: _Offered, class_id: int) -> Place:
    """A place as it was offered; how it looks is learned anew."""
    place = Place(class_id, np.array(saved.box), saved.since_us, saved.last_us, id=saved.id, offered=True)
    place.watched_s, place.samples, place.seen = saved.watched_s, saved.samples, saved.seen
    place.scores, place.reported = saved.score * saved.seen, True
    place.alike, place.alike_seen = saved.samples, saved.seen
    return place
