"""The frames that a node keeps for labelling: chosen where they are tracked, written in another thread."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from edge_node.analytics.watch import Analysed
from edge_node.collect.chooser import Candidate, Chooser
from edge_node.collect.keeper import Keeper, Source
from edge_node.collect.looks import SecondLook
from edge_node.collect.shelf import Shelf
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.settings import EdgeConfig
from edge_node.frames import Detected
from shared.channel import Channel, Closed
from shared.files import at_home
from shared.log import Once
from shared.service.watchdog import Look, taking
from shared.storage.folder import state_folder
from shared.wire.messages import CollectMetrics

log = logging.getLogger("darner.collect")

WITHHELD = (
    "the camera publishes no pictures (thumbnail.fps is 0 and snapshot.enabled is false), so none is kept; "
    "turn one of them on, or do not collect"
)
_WAITING = 2
"""Frames of a camera that may wait to be looked at; further ones are dropped and counted."""
_STOP_S = 1.0
_SLOW_S = 60.0
"""How long one frame may take: disks on a network are slow, and so is a busy network's second look."""


class _Camera:
    """What is chosen and kept of one camera.

    Attributes:
        on: Whether anything is.
        withheld: Whether it would be, but for the camera's pictures, which go nowhere.
    """

    def __init__(self, chooser: Chooser, keeper: Keeper) -> None:
        self.chooser, self.keeper = chooser, keeper
        self.on = self.withheld = False


_Job = tuple[_Camera, Candidate | None]
"""A camera's frame; or, without one, that its settings are new."""


class Collector:
    """Keeps frames of all cameras that are worth labelling; `with` starts and ends its thread.

    Args:
        config: The node's configuration.
        source: What sidecars say besides.
        second_look: Lets the network look at a mirrored frame.
    """

    def __init__(self, config: EdgeConfig, source: Source, second_look: SecondLook | None = None) -> None:
        root = folder(config)
        self._cameras: dict[str, _Camera] = {}
        for name, settings in config.cameras.items():
            chooser = Chooser(settings.collect, config.tracker, looks_again=second_look is not None)
            keeper = Keeper(name, chooser, Shelf(root / name), source, second_look)
            self._cameras[name] = _Camera(chooser, keeper)
        self._on = False
        self._waiting: Channel[_Job] = Channel(depth=_WAITING)
        self._once, self._ending = Once(), False
        self._thread = threading.Thread(target=self._run, name="collect", daemon=True)
        for name, settings in config.cameras.items():
            self.reconfigure(name, settings)

    def __enter__(self) -> Collector:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending = True
        self._waiting.close()
        self._thread.join(_STOP_S)

    def offer(self, detected: Sequence[Detected], analysed: Sequence[Analysed]) -> None:
        """Look at frames; never waits.

        Args:
            detected: What the network found in them.
            analysed: The same frames, after tracking.
        """
        if not self._on:
            return
        for found, item in zip(detected, analysed, strict=True):
            name = item.frame.camera
            camera = self._cameras[name]
            if not camera.on:
                continue
            try:
                candidate = camera.chooser.choose(found, item)
            except Exception:  # noqa: BLE001 - an extra must not end the node; `_fault` says it
                self._fault()
                continue
            if candidate is not None:
                self._hand_on(camera, candidate, name)

    def reconfigure(self, name: str, settings: CameraSettings) -> None:
        """Use other settings from a camera's next frame on. Any thread may call this."""
        camera = self._cameras[name]
        changed = camera.chooser.settings != settings.collect
        camera.chooser.settings = settings.collect
        shows = shows_pictures(settings)
        withheld = settings.collect.enabled and not shows
        if withheld and not camera.withheld:
            log.warning("camera %s: %s", name, WITHHELD)
        was, camera.on, camera.withheld = camera.on, settings.collect.enabled and shows, withheld
        self._on = any(one.on for one in self._cameras.values())
        if camera.on and not was:
            camera.chooser.forget()
        if camera.on and (changed or not was):
            with suppress(Closed):
                self._waiting.put_if_room((camera, None), name)

    def metrics(self, name: str) -> CollectMetrics | None:
        """What is kept of a camera; None: nothing."""
        camera = self._cameras[name]
        if camera.withheld:
            return CollectMetrics(pictures=0, bytes=0, trouble=WITHHELD)
        return camera.keeper.metrics() if camera.on else None

    def look(self) -> Look | None:
        """What a watchdog sees of the thread, which must not end the node."""
        return taking(self._waiting, look=lambda progress: Look(progress, _SLOW_S, math.inf))()

    def _hand_on(self, camera: _Camera, candidate: Candidate, name: str) -> None:
        try:
            if self._waiting.put_if_room((camera, candidate), name):
                return
        except Closed:
            return  # the node is stopping
        candidate.item, candidate.done = None, True
        if candidate.step != "sample":
            camera.keeper.dropped["busy"] += 1

    def _run(self) -> None:
        for camera, candidate in self._waiting:
            try:
                if self._ending:
                    continue  # what waits is not worth a late end
                if candidate is None:
                    camera.keeper.open()
                elif camera.on:
                    camera.keeper.take(candidate)
            except Exception:  # noqa: BLE001 - an extra must not end the node; `_fault` says it
                self._fault()

    def _fault(self) -> None:
        """Log the error that is being handled, once."""
        if self._once("fault"):
            log.exception("a frame was not kept for labelling, because of a fault (said once)")


def shows_pictures(settings: CameraSettings) -> bool:
    """Whether a camera publishes any pictures; one that does not keeps none either."""
    return settings.thumbnail.fps > 0 or settings.snapshot.enabled


def folder(config: EdgeConfig) -> Path:
    """The folder in which each camera has one of its own."""
    path = config.collect.path
    return state_folder() / f"collected-{config.node}" if path is None else at_home(path)
