"""The views of a node's cameras on disk, so that a camera that is moved while the node is down is noticed.

A file per camera holds two small grey JPEGs, about 40 KB together, and a few numbers. What is wrong with a
camera is kept by the outbox, with the events that tell of it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import orjson
from msgspec import Meta

from edge_node.config.saved.definitions import Definitions
from edge_node.health.camera import CameraHealth, Kept
from edge_node.health.glance import FINE
from edge_node.health.usual import Usual
from edge_node.health.view import View
from edge_node.pictures import U8
from shared.errors import OutputError
from shared.files import make_private
from shared.storage.state_file import StateFile
from shared.wire.messages.fields import Micros

log = logging.getLogger("darner.health")

_QUALITY = 92
_Picture = Annotated[str, Meta(max_length=500_000)]
_Number = Annotated[float, Meta(ge=0, le=1000)]


@dataclass(frozen=True, slots=True)
class Shows:
    """What a view is of.

    Attributes:
        source: The camera's source, without a password.
        drawn: What was drawn on it; see `drawing`.
    """

    source: str
    drawn: str


@dataclass(frozen=True, kw_only=True)
class _File:
    """What a file holds.

    Attributes:
        source: See `Shows`: another source has another view.
        drawn: See `Shows`: what was drawn anew was drawn on the view as it was then.
        at_us: When the view was taken.
        view: The view, a JPEG in base64.
        lately: How it looked when this was written.
        usual: As `Usual` lists it.
        clear_us: See `Usual`.
    """

    source: str
    drawn: str
    at_us: Micros
    view: _Picture
    lately: _Picture
    usual: tuple[_Number, _Number, _Number, _Number, _Number, tuple[_Number, _Number]]
    clear_us: Micros = 0


class ViewStore:
    """The views of the cameras of one node.

    Args:
        folder: Where they are kept; None: they are not.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def tidy(self, cameras: Iterable[str]) -> None:
        """Remove the files of cameras other than these."""
        if self._folder is None or not self._folder.is_dir():
            return
        make_private(self._folder)
        known = {f"{name}.json" for name in cameras}
        for path in self._folder.glob("*.json"):
            if path.name not in known:
                try:
                    path.unlink()
                except OSError as error:
                    log.warning("%s: cannot be removed (%s)", path, error.strerror)

    def read(self, camera: str, shows: Shows) -> Kept | None:
        """What was kept of a camera; None: nothing, or of another source, or before something was drawn.

        A file that cannot be read is renamed, and the view is learned anew.
        """
        found = self._view_file(camera).read()
        if found is None or Shows(found.source, found.drawn) != shows:
            return None
        view = View(_picture(found.view), found.at_us, _picture(found.lately))
        return Kept(view, Usual(*found.usual, found.clear_us))

    def write(self, camera: str, shows: Shows, health: CameraHealth) -> None:
        """Keep what is known of a camera; a file that cannot be written is logged."""
        kept, lately = health.kept, health.lately
        if self._folder is None or kept is None:
            return
        usual = kept.usual
        numbers = usual.brightness, usual.spread, usual.bright, usual.relief, usual.share
        content = _File(
            source=shows.source,
            drawn=shows.drawn,
            at_us=kept.view.at_us,
            view=_jpeg(kept.view.fine),
            lately=_jpeg(kept.view.fine if lately is None else lately),
            usual=(*numbers, usual.sharpness),
            clear_us=usual.clear_us,
        )
        try:
            self._view_file(camera).write(content, f"camera {camera}'s view is not kept")
        except OutputError as error:
            log.warning("%s", error)

    def _view_file(self, camera: str) -> StateFile[_File]:
        path = self._folder and self._folder / f"{camera}.json"
        instead = "the camera's view is learned anew"
        return StateFile(path, _File, instead, check=_refuse_bad_pictures, indent=False)


def drawing(definitions: Definitions) -> str:
    """A hash of where zones, lines and masks are in the picture."""
    places = {
        "zones": {name: one.polygon for name, one in definitions.zones.items()},
        "lines": {name: one.points for name, one in definitions.lines.items()},
        "masks": {name: one.polygon for name, one in definitions.masks.items()},
    }
    return hashlib.sha256(orjson.dumps(places, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _jpeg(fine: U8) -> str:
    good, data = cv2.imencode(".jpg", fine, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not good:
        raise ValueError(f"OpenCV cannot encode a picture of shape {fine.shape}")
    return base64.b64encode(data.tobytes()).decode()


def _refuse_bad_pictures(found: _File) -> None:
    if _picture(found.view).shape != _picture(found.lately).shape:
        raise ValueError("its pictures differ in size")


def _picture(text: str) -> U8:
    try:
        data = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if len(data) else None
    except binascii.Error as error:
        raise ValueError(f"no base64: {error}") from None
    except cv2.error as error:
        raise ValueError(f"no JPEG: {error}") from None
    if picture is None or picture.shape[1] != FINE or not FINE // 16 <= picture.shape[0] <= 4 * FINE:
        raise ValueError("it holds no view of a camera")
    return np.asarray(picture, np.uint8)
