from __future__ import annotations

from dataclasses import replace

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.changes import changed_keys, with_live_changes
from edge_node.config.ignoring import SuspectSettings
from edge_node.config.model_settings import ModelSettings
from edge_node.config.publishing import HomeAssistantSettings, OnvifSettings, SnapshotSettings, TrackSettings
from edge_node.config.settings import EdgeConfig
from shared.wire.messages import FilterDefinition, LineDefinition, MaskDefinition, ZoneDefinition

ZONE = ZoneDefinition(polygon=((0, 0), (1, 0), (1, 1)))
LINE = LineDefinition(points=((0, 0), (1, 1)))
YARD = CameraSettings(source=0, zones={"a": ZONE})
RUNNING = EdgeConfig(node="n", cameras={"yard": YARD})


def test_equal_configurations_have_no_changed_keys() -> None:
    assert list(changed_keys(RUNNING, replace(RUNNING))) == []


def test_changed_keys_have_their_full_path_and_zones_count_as_one_value() -> None:
    yard = replace(YARD, zones={"b": ZONE}, snapshot=SnapshotSettings(side=64), max_fps=5)
    wanted = replace(
        RUNNING,
        cameras={"yard": yard, "gate": YARD},
        model=ModelSettings(confidence=0.4),
    )
    assert list(changed_keys(RUNNING, wanted)) == [
        "cameras.gate",
        "cameras.yard.max_fps",
        "cameras.yard.snapshot.side",
        "cameras.yard.zones",
        "model.confidence",
    ]


def test_a_running_node_takes_over_only_what_needs_no_restart() -> None:
    yard = replace(
        YARD,
        detect_every=3,
        lines={"l": LINE},
        masks={"m": MaskDefinition(polygon=ZONE.polygon)},
        filters={"all": FilterDefinition(score=0.5)},
        suspects=SuspectSettings(after_s=60),
        tracks=TrackSettings(enabled=True),
        source=1,
        name="Der Hof",
        area="Garten",
    )
    wanted = replace(
        RUNNING,
        node="m",
        node_name="Der Laden",
        cameras={"yard": yard, "gate": YARD},
        model=ModelSettings(name="yolox_s", confidence=0.4),
        homeassistant=HomeAssistantSettings(enabled=True, prefix="ha", viewer_url="http://v"),
        onvif=OnvifSettings(events=True, prefix="p"),
        log_level="DEBUG",
    )
    now = with_live_changes(RUNNING, wanted)
    assert list(changed_keys(RUNNING, now)) == [
        "node_name",
        "cameras.yard.name",
        "cameras.yard.detect_every",
        "cameras.yard.tracks.enabled",
        "cameras.yard.lines",
        "cameras.yard.masks",
        "cameras.yard.filters",
        "cameras.yard.suspects.after_s",
        "cameras.yard.area",
        "model.confidence",
        "homeassistant.enabled",
        "homeassistant.viewer_url",
        "onvif.events",
        "log_level",
    ]
    assert list(changed_keys(now, wanted)) == [
        "node",
        "cameras.gate",
        "cameras.yard.source",
        "model.name",
        "homeassistant.prefix",
        "onvif.prefix",
    ]
