"""The configuration read again while the node runs: what can be changed live is, the rest is named."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from edge_node.analytics.analyse import problems
from edge_node.config.definitions import DefinitionStore
from edge_node.config.live import Controls
from edge_node.config.settings import CameraSettings, EdgeConfig
from edge_node.pipeline import Pipeline
from edge_node.publish.homeassistant import HomeAssistant
from edge_node.publish.publisher import Publisher
from shared import log as logs
from shared.errors import DarnerError
from shared.wire.messages import Request

log = logging.getLogger("darner.reload")


class Reload:
    """Brings a running node to its configuration as it is now.

    A key that is as it was when it was last read is left alone: what was set over MQTT since then stays.

    Args:
        read: Reads the configuration as at the start; DarnerError when it is wrong.
        config: As read at the start.
        class_names: Of the model, by id.
        controls: The live settings.
        definitions: Zones and lines.
        pipeline: Running.
        publisher: Likewise.
        homeassistant: Likewise.
    """

    def __init__(
        self,
        read: Callable[[], EdgeConfig],
        config: EdgeConfig,
        class_names: Sequence[str],
        controls: Controls,
        definitions: DefinitionStore,
        pipeline: Pipeline,
        publisher: Publisher,
        homeassistant: HomeAssistant,
    ) -> None:
        self._read = read
        self._config = config
        self._class_names = class_names
        self._controls, self._definitions = controls, definitions
        self._pipeline, self._publisher, self._homeassistant = pipeline, publisher, homeassistant
        self._lock = threading.RLock()

    def command(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002 - as every handler
        """As a command: what was applied, what needs a restart, and warnings about zones and lines."""
        with self._lock:
            return self._reload()

    def on_signal(self) -> None:
        """The same without anybody to answer: an error is logged."""
        try:
            with self._lock:
                self._reload()
        except DarnerError as error:
            log.error("reload: nothing was changed: %s", error)

    def announce_zones(self) -> None:
        """Tell Home Assistant which zones and lines are in force now."""
        with self._lock:
            self._homeassistant.update(in_force(self._config, self._definitions))

    def _reload(self) -> dict[str, Any]:
        wanted = self._read()
        before, now = self._config, merged(self._config, wanted)
        applied, restart = list(differences(before, now)), list(differences(now, wanted))
        redefined = self._definitions.configure(now.cameras)  # first: it alone can fail
        self._config = now
        for name, camera in now.cameras.items():
            self._change(name, before, now)
            self._publisher.reconfigure(name, camera)
        for name in redefined:
            self._pipeline.watches[name].redefine(self._definitions[name])
        self.announce_zones()
        if now.log_level != before.log_level:
            logs.setup(now.log_level, now.log_format)
        log.info("reload: applied: %s", ", ".join(applied) or "nothing")
        if restart:
            log.warning("reload: needs a restart: %s", ", ".join(restart))
        warnings = [
            f"camera {name}: {problem}"
            for name, one in redefined.items()
            for problem in problems(one.zones, one.lines, self._class_names)
        ]
        return {"applied": applied, "restart": restart, "warnings": warnings}

    def _change(self, name: str, before: EdgeConfig, now: EdgeConfig) -> None:
        """What the live settings hold, as far as the configuration has changed it."""
        old, new = _live(before, name), _live(now, name)
        changes = {key: value for key, value in new.items() if value != old[key]}
        if changes:
            self._controls.change(name, **changes)


def in_force(config: EdgeConfig, definitions: DefinitionStore) -> EdgeConfig:
    """The configuration with the zones and lines that were set since."""
    cameras = {
        name: replace(camera, zones=definitions[name].zones, lines=definitions[name].lines)
        for name, camera in config.cameras.items()
    }
    return replace(config, cameras=cameras)


def merged(running: EdgeConfig, wanted: EdgeConfig) -> EdgeConfig:
    """What runs with that of another configuration which can be changed while it does."""
    return replace(
        running,
        cameras={
            name: _merged_camera(camera, wanted.cameras.get(name, camera))
            for name, camera in running.cameras.items()
        },
        model=replace(running.model, confidence=wanted.model.confidence),
        homeassistant=replace(running.homeassistant, enabled=wanted.homeassistant.enabled),
        log_level=wanted.log_level,
    )


def _merged_camera(running: CameraSettings, wanted: CameraSettings) -> CameraSettings:
    return replace(
        running,
        detect_every=wanted.detect_every,
        detections_fps=wanted.detections_fps,
        thumbnail=wanted.thumbnail,
        snapshot=wanted.snapshot,
        zones=wanted.zones,
        lines=wanted.lines,
    )


def _live(config: EdgeConfig, name: str) -> dict[str, float]:
    camera = config.cameras[name]
    return {
        "confidence": config.model.confidence,
        "detect_every": camera.detect_every,
        "thumbnail_fps": camera.thumbnail.fps,
    }


def differences(before: object, after: object, key: str = "") -> Iterator[str]:
    """Keys of a configuration whose values differ; zones and lines of a camera count as one value each."""
    if dataclasses.is_dataclass(before) and type(before) is type(after):
        for item in dataclasses.fields(before):
            inner = f"{key}.{item.name}" if key else item.name
            yield from differences(getattr(before, item.name), getattr(after, item.name), inner)
    elif key == "cameras" and isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            yield from differences(before.get(name), after.get(name), f"{key}.{name}")
    elif before != after:
        yield key
