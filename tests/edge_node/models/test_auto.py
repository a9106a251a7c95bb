from __future__ import annotations

import itertools
import logging
from pathlib import Path
from typing import Any

import pytest

from edge_node.assets.download import sha256
from edge_node.assets.models import AUTO, DEFAULT, KNOWN, path_of
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.model_settings import ModelSettings
from edge_node.config.tile_settings import TileSettings
from edge_node.models import auto
from edge_node.models.speeds import Speed, Speeds
from shared.errors import ModelError
from tests.edge_node.models.shelf import BEST, BETTER, GOOD, Times, cameras, disguise, shelve, shelve_network

SETTINGS = ModelSettings()


def tiled(**keys: Any) -> dict[str, CameraSettings]:
    return {"a": CameraSettings(source=0, tiles=TileSettings(**keys))}


def test_with_an_empty_cache_it_is_the_built_in_model_and_nothing_is_measured() -> None:
    times = Times()
    choice = auto.choose(SETTINGS, cameras(), Speeds(take=times))
    assert choice.known.name == DEFAULT
    assert "no better one is in the cache" in choice.reason
    assert times.asked == []


def test_the_best_that_is_fast_enough_is_taken_and_better_ones_are_explained() -> None:
    shelve(GOOD, BETTER, BEST)
    times = Times(**{GOOD: 10.0, BETTER: 40.0, BEST: 200.0})
    choice = auto.choose(SETTINGS, cameras(), Speeds(take=times))
    assert choice.known.name == BETTER
    assert "it takes 40 ms for a run, and 1 camera with 10 runs a second leaves 70 ms" in choice.reason
    assert choice.passed == (
        "yolox_s takes 200 ms for a run, and 1 camera with 10 runs a second leaves 70 ms",
    )
    assert times.asked == [BEST, BETTER], "what is worse than the choice need not be measured"


@pytest.mark.parametrize(
    ("watched", "name"),
    [
        pytest.param(cameras(1), BETTER, id="one camera"),
        pytest.param(cameras(2), GOOD, id="two cameras have half the time"),
        pytest.param(cameras(4, fps=5), GOOD, id="four at 5 are as two at 10"),
        pytest.param(cameras(3, fps=30, every=10), BETTER, id="every tenth frame of 30"),
        pytest.param(cameras(20), DEFAULT, id="too many for anything"),
        pytest.param(cameras(1, fps=1), BEST, id="one frame a second leaves time for the slowest"),
        pytest.param({}, BETTER, id="without cameras as for one"),
        pytest.param(tiled(columns=2, rows=2, whole=False), DEFAULT, id="a grid of four has a quarter"),
        pytest.param(tiled(runs=3), GOOD, id="a budget of three runs has a third"),
        pytest.param({"a": CameraSettings(source=0, tiles="auto")}, GOOD, id="free tiles count for two"),
    ],
)
def test_cameras_and_their_rates_decide_how_fast_is_fast_enough(
    watched: dict[str, CameraSettings], name: str
) -> None:
    shelve(GOOD, BETTER, BEST)
    times = Times(**{GOOD: 18.0, BETTER: 40.0, BEST: 200.0})
    assert auto.choose(SETTINGS, watched, Speeds(take=times)).known.name == name


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        pytest.param(ModelSettings(classes=("person", "kite")), None, id="classes that all of them know"),
        pytest.param(
            ModelSettings(classes=("forklift",)), "has the class 'forklift'", id="a class they lack"
        ),
        pytest.param(ModelSettings(labels=("coco",)), None, id="COCO's labels"),
        pytest.param(ModelSettings(labels=("a", "b")), "model.labels names", id="labels of another network"),
    ],
)
def test_a_model_must_know_the_classes_that_are_wanted(settings: ModelSettings, why: str | None) -> None:
    shelve(BETTER)
    choice = auto.choose(settings, cameras(), Speeds(take=Times(**{BETTER: 10.0})))
    assert (choice.known.name == BETTER) is (why is None)
    if why is not None:
        assert choice.known.name == DEFAULT
        assert why in choice.reason


@pytest.mark.parametrize("backend", ["tensorrt", "torch", "kserve"])
def test_another_engine_than_onnx_runtime_gets_the_built_in_model(backend: str) -> None:
    shelve(BETTER)
    times = Times()
    choice = auto.choose(ModelSettings(backend=backend), cameras(), Speeds(take=times))  # type: ignore[arg-type]  # a parameter of literals
    assert choice.known.name == DEFAULT
    assert f"model.backend is {backend}" in choice.reason
    assert times.asked == []


def test_a_damaged_file_is_passed_over_and_named() -> None:
    shelve(BEST, GOOD)  # text instead of networks
    times = Times(**{GOOD: 10.0})

    def take(settings: ModelSettings) -> Speed:
        if settings.name == BEST:
            raise ModelError("model yolox_s: ONNX Runtime cannot load it")
        return times(settings)

    choice = auto.choose(SETTINGS, cameras(), Speeds(take=take))
    assert choice.known.name == GOOD
    assert choice.passed == ("yolox_s does not run here: model yolox_s: ONNX Runtime cannot load it",)


def test_a_file_that_has_changed_since_its_download_is_passed_over_although_its_time_is_remembered() -> None:
    shelve(BETTER)
    path = path_of(KNOWN[BETTER])
    path.with_name(f"{path.name}.sha256").write_text(f"{sha256(path)}  {path.name}\n")
    times = Times(**{BETTER: 10.0})
    assert auto.choose(SETTINGS, cameras(), Speeds(take=times)).known.name == BETTER
    path.write_bytes(b"another file")
    choice = auto.choose(SETTINGS, cameras(), Speeds(take=times))
    assert choice.known.name == DEFAULT
    assert "has changed since it was downloaded" in choice.passed[0]
    assert times.asked == [BETTER]


def test_measuring_takes_no_longer_than_a_minute() -> None:
    shelve(GOOD, BETTER, BEST)
    times = Times(**{GOOD: 900.0, BETTER: 900.0, BEST: 900.0})
    clock = itertools.count(step=31.0)
    choice = auto.choose(SETTINGS, cameras(), Speeds(take=times), clock=lambda: next(clock))
    assert times.asked == [BEST]
    assert choice.known.name == DEFAULT
    assert "picodet_s_416 was not measured yet" in choice.passed


def test_several_gpus_share_the_cameras_and_several_detectors_on_a_cpu_do_not() -> None:
    shelve(BETTER)
    settings = ModelSettings(devices=(0, 1))
    for device, name in (("cuda:0", BETTER), ("cpu", DEFAULT)):
        speed = Speed(model=BETTER, ms=100.0, engine="a test", device=device)
        speeds = Speeds(take=lambda _, speed=speed: speed)  # type: ignore[misc]  # bound in the loop
        choice = auto.choose(settings, cameras(fps=10), speeds, measure=True)
        speeds.forget(BETTER)
        assert choice.known.name == name


def test_a_name_that_is_configured_is_left_alone() -> None:
    shelve(BEST)
    settings = ModelSettings(name="yolox_tiny")
    assert auto.chosen(settings, cameras(), Speeds(take=Times())) is settings


def test_the_log_says_which_model_and_why(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "darner.models")
    shelve(BETTER, BEST)
    speeds = Speeds(take=Times(**{BETTER: 20.0, BEST: 200.0}))
    settings = auto.chosen(ModelSettings(name=AUTO, confidence=0.2), cameras(), speeds)
    assert settings == ModelSettings(name=BETTER, confidence=0.2)
    *timed, first, second = caplog.messages
    assert [said.split()[0] for said in timed] == [BEST, BETTER]
    assert first.startswith("model auto: picodet_s_416 (AP 32.5), the best in the cache that is fast enough")
    assert second.startswith("model auto: yolox_s takes 200 ms for a run")


@pytest.mark.parametrize(
    ("ms", "name"),
    [
        pytest.param(1.0, "dfine_s", id="a fast machine: the best whose cost is known"),
        pytest.param(20.0, "dfine_n", id="an ordinary one"),
        pytest.param(40.0, "picodet_m_416", id="a slow one"),
        pytest.param(1000.0, None, id="one that is too slow for any"),
    ],
)
def test_what_is_offered_is_the_best_that_would_be_fast_enough(ms: float, name: str | None) -> None:
    found = auto.offer(KNOWN[DEFAULT], ms, cameras())
    assert (found.name if found else None) == name


def test_what_is_in_the_cache_is_not_offered_again_and_the_command_names_that_cache(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.INFO, "darner.models")
    shelve("picodet_m_416")
    auto.suggest(ModelSettings(name=DEFAULT), 0.03, cameras())
    (said,) = caplog.messages
    assert f"`DARNER_CACHE={tmp_path / 'cache'} " in said
    assert "models get nanodet_plus_m_15x_416` and a restart would give AP 34.1 instead of 22.9" in said
    caplog.clear()
    auto.suggest(ModelSettings(name=DEFAULT), 10.0, cameras())
    assert caplog.messages == []


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(ModelSettings(name=DEFAULT, backend="tensorrt"), id="another engine"),
        pytest.param(ModelSettings(name=DEFAULT, labels=("a", "b")), id="labels of another network"),
        pytest.param(ModelSettings(name=DEFAULT, classes=("forklift",)), id="a class that none has"),
    ],
)
def test_a_command_that_would_change_nothing_is_not_offered(
    settings: ModelSettings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "darner.models")
    auto.suggest(ModelSettings(name=DEFAULT), 0.03, cameras())
    assert len(caplog.messages) == 1
    auto.suggest(settings, 0.03, cameras())
    assert len(caplog.messages) == 1


def test_a_real_network_is_measured_and_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    disguise(monkeypatch, GOOD)
    shelve_network(GOOD)
    shelve(BEST)  # no network
    choice = auto.choose(SETTINGS, cameras(fps=1.0), Speeds())
    assert choice.known.name == GOOD
    assert "yolox_s does not run here: " in choice.passed[0]
    assert "cannot load it" in choice.passed[0]
