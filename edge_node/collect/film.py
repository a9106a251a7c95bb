"""Keeps the frames of a film that are worth labelling, as a node keeps those of a camera."""

from __future__ import annotations

import logging
from pathlib import Path

from edge_node.analytics.watch import Analysed
from edge_node.collect.chooser import Chooser
from edge_node.collect.keeper import Keeper, Source
from edge_node.collect.shelf import Shelf
from edge_node.config.collecting import CollectSettings
from edge_node.config.settings import TrackerSettings
from edge_node.frames import Detected
from shared.errors import OutputError

log = logging.getLogger("darner.collect")


class FilmCollector:
    """Keeps frames of one film. A film waits, so no frame is dropped, and its hours do not count.

    Args:
        folder: Where they are kept; its name is the camera's in what is said of them.
        settings: Which are kept; `enabled` does not matter.
        tracking: Settings of the tracker.
        source: What sidecars say besides.
    """

    def __init__(
        self, folder: Path, settings: CollectSettings, tracking: TrackerSettings, source: Source
    ) -> None:
        self._folder, self._kept = folder, 0
        self._chooser = Chooser(settings, tracking)
        self._keeper = Keeper(folder.name, self._chooser, Shelf(folder), source, hourly=False)

    def offer(self, detected: Detected, item: Analysed) -> None:
        """Keep the next frame, if it is worth labelling."""
        candidate = self._chooser.choose(detected, item)
        if candidate is not None:
            self._kept += self._keeper.take(candidate)

    def finish(self) -> None:
        """Say how many were kept.

        Raises:
            OutputError: Some could not be.
        """
        now = self._keeper.metrics()
        log.info("%s: %d frames kept for labelling, %d there", self._folder, self._kept, now.pictures)
        if now.dropped:
            raise OutputError(f"{self._folder}: not all frames were kept: {now.trouble or now.dropped}")
