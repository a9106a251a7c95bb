"""What a folder says, for whom, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import ConfigError
from shared.fleet.wanted.folder import Folder
from tests.conftest import REPO

SQUARE = "{polygon: [[0, 0], [0.5, 0], [0.5, 0.5], [0, 0.5]]}"
BOW = "{polygon: [[0, 0], [0.5, 0.5], [0.5, 0], [0, 0.5]]}"


def folder(path: Path, **files: str) -> Folder:
    for name, text in files.items():
        (path / f"{name}.yaml").write_text(text)
    return Folder(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("zone: {}", "zone: unknown key; did you mean 'zones'", id="an unknown key"),
        pytest.param(f"zones: {{a: {BOW}}}", "a.yaml: zone 'a' crosses itself", id="a polygon that is none"),
        pytest.param("zones: {a: {polygon: [[0, 0], [1, 1]]}}", "zones.a.polygon", id="two corners"),
        pytest.param("zones: {a: {polygon: [[0, 0], [640, 0], [640, 480]]}}", "from 0 to 1", id="pixels"),
        pytest.param(
            f"zones: {{a: {SQUARE}}}\nlines: {{a: {{points: [[0, 0], [1, 1]]}}}}",
            "'a' names a zone and a line",
            id="one name twice",
        ),
        pytest.param(
            "filters: {all: {min_size: 2, max_size: 1}}",
            "filters.all.min_size",
            id="a filter that lets nothing by",
        ),
        pytest.param("settings: {confidence: 40}", "settings.confidence", id="percent"),
        pytest.param("nodes: [shop 1]\nsettings: {paused: true}", "nodes: 'shop 1' fits no", id="a blank"),
        pytest.param("nodes: shop-1", "wants nothing", id="nothing"),
        pytest.param(
            f"cameras: till\nmodel: {{sha256: {'a' * 64}}}",
            "model: a model is that of a whole",
            id="model of a camera",
        ),
        pytest.param("model: {sha256: A1}", "model.sha256", id="no hash"),
        pytest.param(
            "camera: {source: rtsp://user:word@host}", "camera.source: unknown key", id="an address"
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_file_and_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        folder(tmp_path, a=text)
    assert says in str(error.value)
    assert "a.yaml" in str(error.value)
    assert "word" not in str(error.value)


def test_a_folder_without_files_is_no_wish_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ConfigError, match=r"no file that ends in \.yaml"):
        Folder(tmp_path)
    with pytest.raises(ConfigError, match="no such folder"):
        Folder(tmp_path / "missing")


def test_the_file_that_says_more_exactly_for_whom_wins(tmp_path: Path) -> None:
    (tmp_path / "north").mkdir()
    (tmp_path / "north" / "one.yaml").write_text("nodes: north-1\nsettings: {detect_every: 2}")
    wanted = folder(
        tmp_path,
        all=f"settings: {{confidence: 0.3, paused: false}}\nzones: {{everywhere: {SQUARE}}}",
        north="nodes: [north-*]\nsettings: {confidence: 0.4}",
        till=f"cameras: ['till?']\nsettings: {{confidence: 0.5}}\nzones: {{queue: {SQUARE}}}",
    )
    till, door = wanted.of_camera("north-1", "till1"), wanted.of_camera("north-1", "door")
    assert till.section("settings") == {"confidence": 0.5, "paused": False, "detect_every": 2}
    assert set(till.values["zones"]) == {"queue"}
    assert till.files["settings.detect_every"] == "north/one.yaml"
    assert door.section("settings") == {"confidence": 0.4, "paused": False, "detect_every": 2}
    assert set(door.values["zones"]) == {"everywhere"}
    assert wanted.of_camera("South-1", "door").section("settings") == {"confidence": 0.3, "paused": False}


def test_the_example_means_what_it_says() -> None:
    wanted = Folder(REPO / "examples" / "fleet" / "rollout")
    seventh, others = wanted.of_camera("shop-7", "till"), wanted.of_camera("shop-1", "till-2")
    assert seventh.values["masks"] == others.values["masks"]
    assert seventh.values["zones"] != others.values["zones"]
    assert set(wanted.of_camera("office", "door").values) == {"settings.confidence"}
    wanted.refuse_strangers({"shop-7": ["till"], "office": ["door"]}, everybody=True)
    with pytest.raises(ConfigError, match=r"shop-7-till\.yaml: cameras: none of the 1 nodes"):
        wanted.refuse_strangers({"shop-7": ["door"], "office": ["till"]}, everybody=True)


def test_two_files_of_one_rank_must_agree(tmp_path: Path) -> None:
    wanted = folder(
        tmp_path,
        a="nodes: [shop-*]\nsettings: {confidence: 0.4}",
        b='nodes: ["*-1"]\nsettings: {confidence: 0.5}',
        c="nodes: ['*-2']\nsettings: {confidence: 0.4}",
        d="nodes: shop-3\nsettings: {confidence: 0.6}",
    )
    assert wanted.of_camera("shop-2", "till").section("settings") == {"confidence": 0.4}
    assert wanted.of_camera("shop-3", "till").section("settings") == {"confidence": 0.6}
    with pytest.raises(
        ConfigError, match=r"b\.yaml: settings\.confidence: a\.yaml says something else for shop-1/till"
    ):
        wanted.of_camera("shop-1", "till")


def test_one_value_must_not_be_wanted_in_two_ways(tmp_path: Path) -> None:
    wanted = folder(tmp_path, a="settings: {detect_every: 2}", b="camera: {detect_every: 3}")
    with pytest.raises(
        ConfigError, match=r"a\.yaml: settings\.detect_every and camera\.detect_every \(b\.yaml\)"
    ):
        wanted.of_camera("shop-1", "till")


def test_a_file_must_be_for_somebody(tmp_path: Path) -> None:
    wanted = folder(tmp_path, a="nodes: [shop-1, shop-9]\ncameras: [till, dor]\nsettings: {paused: true}")
    known = {"shop-1": ["till", "door"], "shop-2": ["till"]}
    with pytest.raises(
        ConfigError, match=r"a\.yaml: nodes: no node that the broker knows is called 'shop-9'"
    ):
        wanted.refuse_strangers(known, everybody=True)
    with pytest.raises(ConfigError, match=r"a\.yaml: cameras: none of the 1 nodes .* has a camera 'dor'"):
        wanted.refuse_strangers(known, everybody=False)
    wanted.refuse_strangers({"shop-2": ["till"]}, everybody=False)  # this rollout is not for shop-1
