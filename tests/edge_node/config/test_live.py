from __future__ import annotations

from dataclasses import replace

import pytest

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.live import LiveSettings, LiveStore
from edge_node.config.model_settings import ModelSettings
from edge_node.config.publishing import ThumbnailSettings
from edge_node.config.settings import EdgeConfig

YARD = CameraSettings(source=0, detect_every=2, thumbnail=ThumbnailSettings(fps=3))
CONFIG = EdgeConfig(
    node="n", cameras={"yard": YARD, "gate": CameraSettings(source=1)}, model=ModelSettings(confidence=0.2)
)


def test_live_settings_start_with_the_configuration() -> None:
    assert LiveStore(CONFIG)["yard"] == LiveSettings(
        confidence=0.2, detect_every=2, paused=False, thumbnail_fps=3
    )


def test_a_change_concerns_one_camera_and_leaves_its_other_values() -> None:
    live = LiveStore(CONFIG)
    gate = live["gate"]
    changed = live.change("yard", paused=True)
    assert changed == live["yard"] == replace(LiveStore(CONFIG)["yard"], paused=True)
    assert live["gate"] == gate


def test_a_number_of_32_bits_is_set_as_it_was_meant() -> None:
    live = LiveStore(CONFIG)
    changed = live.change("yard", confidence=0.30000001192092896, thumbnail_fps=2.0999999046325684)
    assert (changed.confidence, changed.thumbnail_fps) == (0.3, 2.1)
    assert live.change("yard", paused=True).paused is True


def test_a_camera_that_is_not_configured_has_no_live_settings() -> None:
    with pytest.raises(KeyError):
        LiveStore(CONFIG)["elsewhere"]


def test_a_reload_takes_over_what_differs_and_leaves_what_was_set_since() -> None:
    live = LiveStore(CONFIG)
    live.change("yard", confidence=0.5, detect_every=7, paused=True)
    live.change("gate", confidence=0.6)
    now = replace(CONFIG, cameras=CONFIG.cameras | {"yard": replace(YARD, detect_every=4)})
    live.reconfigure(CONFIG, now)
    assert live["yard"] == LiveSettings(confidence=0.5, detect_every=4, paused=True, thumbnail_fps=3)
    assert live["gate"].confidence == 0.6
    live.reconfigure(now, replace(now, model=ModelSettings(confidence=0.3)))
    assert {name: live[name].confidence for name in now.cameras} == {"yard": 0.3, "gate": 0.3}
