from __future__ import annotations

from dataclasses import replace

import pytest

from edge_node.config.camera_settings import CameraSettings, ThumbnailSettings
from edge_node.config.live import Controls, Live
from edge_node.config.model_settings import ModelSettings
from edge_node.config.settings import EdgeConfig

YARD = CameraSettings(source=0, detect_every=2, thumbnail=ThumbnailSettings(fps=3))
CONFIG = EdgeConfig(
    node="n", cameras={"yard": YARD, "gate": CameraSettings(source=1)}, model=ModelSettings(confidence=0.2)
)


def test_live_settings_start_with_the_configuration() -> None:
    assert Controls(CONFIG)["yard"] == Live(confidence=0.2, detect_every=2, paused=False, thumbnail_fps=3)


def test_a_change_concerns_one_camera_and_leaves_its_other_values() -> None:
    controls = Controls(CONFIG)
    gate = controls["gate"]
    changed = controls.change("yard", paused=True)
    assert changed == controls["yard"] == replace(Controls(CONFIG)["yard"], paused=True)
    assert controls["gate"] == gate


def test_a_camera_that_is_not_configured_has_no_live_settings() -> None:
    with pytest.raises(KeyError):
        Controls(CONFIG)["elsewhere"]


def test_a_reload_takes_over_what_differs_and_leaves_what_was_set_since() -> None:
    controls = Controls(CONFIG)
    controls.change("yard", confidence=0.5, detect_every=7, paused=True)
    controls.change("gate", confidence=0.6)
    now = replace(CONFIG, cameras=CONFIG.cameras | {"yard": replace(YARD, detect_every=4)})
    controls.reconfigure(CONFIG, now)
    assert controls["yard"] == Live(confidence=0.5, detect_every=4, paused=True, thumbnail_fps=3)
    assert controls["gate"].confidence == 0.6
    controls.reconfigure(now, replace(now, model=ModelSettings(confidence=0.3)))
    assert {name: controls[name].confidence for name in now.cameras} == {"yard": 0.3, "gate": 0.3}
