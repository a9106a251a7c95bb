"""Two configurations compared: which keys differ, and which of them a running node can take over."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import replace

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.settings import EdgeConfig


def with_live_changes(running: EdgeConfig, wanted: EdgeConfig) -> EdgeConfig:
    """The running configuration, with those values of `wanted` that can change without a restart."""
    return replace(
        running,
        node_name=wanted.node_name,
        calendar=wanted.calendar,
        cameras={
            name: _with_live_changes(camera, wanted.cameras.get(name, camera))
            for name, camera in running.cameras.items()
        },
        model=replace(running.model, confidence=wanted.model.confidence),
        homeassistant=replace(
            running.homeassistant,
            enabled=wanted.homeassistant.enabled,
            viewer_url=wanted.homeassistant.viewer_url,
        ),
        onvif=replace(wanted.onvif, prefix=running.onvif.prefix),
        rules=wanted.rules,
        log_level=wanted.log_level,
    )


def _with_live_changes(running: CameraSettings, wanted: CameraSettings) -> CameraSettings:
    return replace(
        running,
        name=wanted.name,
        detect_every=wanted.detect_every,
        tiles=wanted.tiles,
        detections_fps=wanted.detections_fps,
        thumbnail=wanted.thumbnail,
        snapshot=wanted.snapshot,
        tracks=wanted.tracks,
        collect=wanted.collect,
        zones=wanted.zones,
        lines=wanted.lines,
        masks=wanted.masks,
        filters=wanted.filters,
        suspects=wanted.suspects,
        schedule=wanted.schedule,
        health=wanted.health,
        area=wanted.area,
    )


def changed_keys(before: object, after: object, key: str = "") -> Iterator[str]:
    """The keys whose values differ between two configurations.

    All zones of a camera count as one value, and so do all its lines, masks and filters.

    Args:
        before: One configuration, or the part of it under `key`.
        after: The other one, or its part under `key`.
        key: The key of both parts, with dots; empty for whole configurations.
    """
    if dataclasses.is_dataclass(before) and type(before) is type(after):
        for item in dataclasses.fields(before):
            inner = f"{key}.{item.name}" if key else item.name
            yield from changed_keys(getattr(before, item.name), getattr(after, item.name), inner)
    elif key == "cameras" and isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            yield from changed_keys(before.get(name), after.get(name), f"{key}.{name}")
    elif before != after:
        yield key
