from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge_node.config import load, profiles
from edge_node.config.settings import EdgeConfig
from edge_node.machine.hardware import Gpu, Hardware
from shared import settings
from shared.errors import ConfigError

LAPTOP = Hardware(
    machine="x86_64",
    processor="Intel(R) Core(TM) i5-8350U",
    cores=8,
    vector=("avx2",),
    memory_mb=7863,
    jetson=None,
    l4t=None,
    gpus=(),
    video_devices=("/dev/video0",),
)
JETSON = replace(LAPTOP, machine="aarch64", cores=6)
PI = replace(LAPTOP, machine="aarch64", cores=4, memory_mb=3791)


def gpu(memory_mb: int) -> tuple[Gpu, ...]:
    return (Gpu(name="g", memory_mb=memory_mb, compute="7.5"),)


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        pytest.param(LAPTOP, None, id="an ordinary laptop keeps the defaults"),
        pytest.param(replace(LAPTOP, cores=2, memory_mb=2000), None, id="a small PC keeps them too"),
        pytest.param(replace(LAPTOP, gpus=gpu(16_384)), None, id="and a PC with a large GPU"),
        pytest.param(
            replace(LAPTOP, gpus=gpu(16_384) + gpu(2048)), "gpu-small", id="the smallest GPU counts"
        ),
        pytest.param(replace(LAPTOP, machine="arm64"), None, id="a Mac"),
        pytest.param(replace(PI, cores=64, memory_mb=250_000), None, id="an ARM server"),
        pytest.param(PI, "board", id="Raspberry Pi 4"),
        pytest.param(replace(PI, memory_mb=905), "board-small", id="Raspberry Pi 3"),
        pytest.param(replace(PI, memory_mb=0), None, id="a board that does not tell its memory"),
        pytest.param(
            replace(JETSON, jetson="NVIDIA Jetson Nano Developer Kit", cores=4, memory_mb=3956),
            "jetson-small",
            id="Jetson Nano, not a board without a GPU",
        ),
        pytest.param(
            replace(JETSON, jetson="NVIDIA Jetson Orin Nano Developer Kit", memory_mb=7620),
            "jetson-8gb",
            id="Orin Nano is not taken for a Nano",
        ),
        pytest.param(
            replace(JETSON, jetson="NVIDIA Jetson AGX Orin Developer Kit", memory_mb=62_800), None, id="AGX"
        ),
    ],
)
def test_auto_takes_the_profile_that_fits(machine: Hardware, name: str | None) -> None:
    chosen = profiles.choose("auto", machine)
    assert (chosen and chosen.name) == name


def test_the_choice_is_explained() -> None:
    assert str(profiles.choose("auto", PI)) == (
        "board (an ARM board with at most 4 cores and 4 GB, such as a Raspberry Pi 4), because aarch64, "
        "4 cores, 3791 MB of memory, no GPU: cameras.*.detect_every=2, cameras.*.thumbnail.fps=2"
    )


CAMERAS = {"a": {"source": 0}, "b": {"source": 1, "detect_every": 1, "thumbnail": {"width": 320}}}


def test_a_profile_is_the_lowest_layer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(profiles, "this_machine", lambda: PI)
    file = tmp_path / "edge.yaml"
    file.write_text(yaml.safe_dump({"cameras": CAMERAS}))
    config = load.node(file, None, [])
    assert config.cameras["a"].detect_every == 2
    assert config.cameras["b"].detect_every == 1, "the file wins"
    assert (config.cameras["b"].thumbnail.fps, config.cameras["b"].thumbnail.width) == (2, 320)
    monkeypatch.setenv("DARNER_CAMERAS__A__DETECT_EVERY", "5")
    assert load.node(file, None, []).cameras["a"].detect_every == 5, "so does the environment"
    assert load.node(file, None, ["cameras.a.detect_every=4"]).cameras["a"].detect_every == 4, "and --set"
    monkeypatch.delenv("DARNER_CAMERAS__A__DETECT_EVERY")
    assert load.node(file, None, ["profile=none"]).cameras["a"].detect_every == 1
    saver = load.node(file, None, ["profile=saver"])
    assert (saver.cameras["a"].detect_every, saver.model.threads) == (4, 1)
    assert load.node(None, "0", []).cameras["camera"].detect_every == 2, "a camera of --source, too"


def test_on_a_laptop_auto_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(profiles, "this_machine", lambda: LAPTOP)
    file = tmp_path / "edge.yaml"
    file.write_text(yaml.safe_dump({"cameras": CAMERAS}))
    assert load.node(file, None, []) == replace(load.node(file, None, ["profile=none"]), profile="auto")


@pytest.mark.parametrize("name", profiles.read())
def test_every_profile_sets_keys_that_exist_to_values_that_fit(name: str) -> None:
    raw: dict[str, Any] = {"profile": name, "cameras": {"a": {"source": 0}}}
    base = profiles.base(raw)
    overrides = [f"{key.replace('*', 'a')}={value}" for key, value in base.values.items()]
    loaded = settings.load(
        EdgeConfig, overrides=["cameras.a.source=0", f"profile={name}", *overrides], base=profiles.base
    )
    assert loaded.cameras["a"].source == 0
    assert base.values


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        pytest.param(
            ["profile=fast"], "profile: 'fast': no such profile; choose one of auto, none, jetson", id="name"
        ),
        pytest.param(["profile=3"], "profile: '3': no such profile", id="no name"),
        pytest.param(
            ["profile=saver", "cameras=3"],
            "--set cameras: is a section; set one of its keys, as in cameras.KEY=VALUE",
            id="a value for a section",
        ),
    ],
)
def test_a_wrong_profile_is_one_clear_error(overrides: list[str], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load.configuration(None, overrides)
    assert says in str(caught.value)
