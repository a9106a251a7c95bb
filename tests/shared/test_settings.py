from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest
from msgspec import Meta

from shared import settings
from shared.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Lamp:
    brightness: Annotated[float, Meta(ge=0, le=1)] = 0.5
    colours: tuple[str, ...] = ()
    mood: Literal["warm", "cold"] | None = None


@dataclass(frozen=True, kw_only=True)
class Door:
    width: int


@dataclass(frozen=True, kw_only=True)
class House:
    name: str = "home"
    lamps: dict[str, Lamp] = field(default_factory=dict)
    spare: Lamp | None = None
    doors: tuple[Door, ...] = ()


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "house.yaml"
    path.write_text(text)
    return path


def test_defaults_need_no_file() -> None:
    assert settings.load(House) == House()


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert settings.load(House, file=write(tmp_path, "")) == House()


def test_flags_win_over_environment_and_environment_over_file(tmp_path: Path) -> None:
    file = write(tmp_path, "name: file\nlamps: {desk: {brightness: 0.1}, door: {brightness: 0.2}}\n")
    environment = {"DARNER_LAMPS__DESK__BRIGHTNESS": "0.3", "DARNER_NAME": "environment", "HOME": "/"}
    loaded = settings.load(House, file=file, environment=environment, overrides=["name=flag"])
    assert loaded == House(name="flag", lamps={"desk": Lamp(brightness=0.3), "door": Lamp(brightness=0.2)})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("nmae: x", "house.yaml: nmae: unknown key; did you mean 'name'?", id="typo"),
        pytest.param(
            "lamps: {desk: {zzz: 1}}",
            "house.yaml: lamps.desk.zzz: unknown key; known keys: brightness, colours, mood",
            id="unknown deep inside",
        ),
        pytest.param(
            "lamps: {desk: {brightness: 2}}",
            "house.yaml: lamps.desk.brightness: 2: expected a number <= 1",
            id="too big",
        ),
        pytest.param(
            "spare: {colours: [red, 3]}",
            "house.yaml: spare.colours.1: 3: expected a text, got a whole number; put it in quotes",
            id="in a list",
        ),
        pytest.param(
            "lamps: 3",
            "house.yaml: lamps: 3: expected a section with keys, got a whole number",
            id="value for a section",
        ),
        pytest.param(
            "- a\n- b",
            "expected lines of the form 'key: value' at the top level, found a list",
            id="no mapping",
        ),
        pytest.param(
            "spare: {mood: dim}", "house.yaml: spare.mood: 'dim': expected one of warm, cold", id="no choice"
        ),
        pytest.param("doors: [{}]", "house.yaml: doors.0: the key 'width' is missing", id="missing"),
        pytest.param("a: [1", "house.yaml: is not valid YAML", id="not yaml"),
    ],
)
def test_an_error_names_file_key_value_and_fix(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings.load(House, file=write(tmp_path, text))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "overrides", "says"),
    [
        ({"DARNER_NAME": "[1]"}, [], "environment variable DARNER_NAME: expected a text, got a list"),
        ({}, ["lamps.desk.brightness=9"], "--set lamps.desk.brightness: 9"),
        ({}, ["lamps"], "expected KEY=VALUE"),
        ({}, ["nmae=1"], "--set nmae: unknown key"),
        ({"DARNER_NAME__FIRST": "x"}, ["name=x", "name.last=y"], "'name' is a value, not a section"),
    ],
)
def test_an_error_names_the_variable_or_flag(
    environment: dict[str, str], overrides: list[str], says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        settings.load(House, environment=environment, overrides=overrides)
    assert says in str(caught.value)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such configuration file"):
        settings.load(House, file=tmp_path / "none.yaml")
