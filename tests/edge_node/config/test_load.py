from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from edge_node.config import load
from edge_node.config.settings import EdgeConfig
from shared import settings
from shared.errors import ConfigError, SourceError


def test_a_configuration_is_printed_without_its_secrets(tmp_path: Path) -> None:
    file = tmp_path / "edge.yaml"
    cameras = {"a": {"source": "rtsp://me:secret@10.0.0.9/1"}}
    file.write_text(yaml.safe_dump({"cameras": cameras, "mqtt": {"username": "me", "password": "secret"}}))
    config = load.node(file, None, [])
    text = load.as_yaml(config)
    assert "secret" not in text
    shown = yaml.safe_load(text)
    assert shown["cameras"]["a"]["source"] == "rtsp://10.0.0.9/1"
    assert shown["cameras"]["a"]["loop"] is False, "defaults are shown too"
    assert settings.convert(EdgeConfig, shown, where="printed").model == config.model


def test_a_node_needs_a_camera_whose_file_is_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no cameras: name one with --source"):
        load.node(None, None, [])
    with pytest.raises(SourceError, match="no such file"):
        load.node(None, str(tmp_path / "none.avi"), [])


def test_a_source_replaces_the_cameras_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "edge.yaml"
    file.write_text(yaml.safe_dump({"node": "shop", "cameras": {"a": {"source": 0}, "b": {"source": 1}}}))
    config = load.node(file, "rtsp://cam/1", [])
    assert config.node == "shop"
    assert {name: camera.source for name, camera in config.cameras.items()} == {"camera": "rtsp://cam/1"}


def test_a_name_of_both_a_zone_and_a_line_is_refused_with_its_camera() -> None:
    corners, ends = "[[0, 0], [1, 0], [1, 1]]", "[[0, 0], [1, 1]]"
    door = f"{{source: 0, zones: {{x: {{polygon: {corners}}}}}, lines: {{x: {{points: {ends}}}}}}}"
    with pytest.raises(ConfigError, match=r"cameras\.door: 'x' names a zone and a line"):
        load.configuration(None, [f"cameras.door={door}"])


def test_a_source_keeps_what_the_other_layers_say_about_its_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "edge.yaml"
    file.write_text("cameras: {camera: {source: 1, fps: 7}, door: {source: 2}}")
    monkeypatch.setenv("DARNER_CAMERAS__CAMERA__STALL_S", "9")
    with caplog.at_level("INFO"):
        config = load.node(file, "rtsp://cam/1", ["cameras.camera.loop=true"])
    assert list(config.cameras) == ["camera"]
    camera = config.cameras["camera"]
    assert (camera.source, camera.fps, camera.stall_s, camera.loop) == ("rtsp://cam/1", 7, 9, True)
    assert "the file's cameras (door) are not watched" in caplog.text


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DARNER_CAMERAS__DOOR__SOURCE", "0"),
        ("DARNER_CAMERAS", "{door: {source: 0}}"),
        ("DARNER_CAMERAS__DOOR__LOOP", "yes"),
    ],
)
def test_a_source_beside_another_camera_is_an_error(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=r"--source watches one camera.*cameras\.door is set as well"):
        load.node(None, "rtsp://cam/1", [])


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("viewer.local:8080", "write http:// or https://"),
        ("ftp://viewer.local", "write http:// or https://"),
        ("http://", "write http:// or https://"),
        ("http://viewer local", "write http:// or https://"),
        ("http://[::1", "write http:// or https://"),
        ("https://me:hunter2@viewer.local", "leave the login out"),
    ],
)
def test_an_address_to_which_home_assistant_cannot_link_is_refused(url: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as error:
        load.configuration(None, [f"homeassistant.viewer_url={url}"])
    assert "viewer_url" in str(error.value)
    assert "hunter2" not in str(error.value)


def test_an_area_is_tidied_like_a_name() -> None:
    cameras = load.configuration(None, ["cameras.yard.source=0", "cameras.yard.area= Cafe\u0301 "]).cameras
    assert cameras["yard"].area == "Caf\u00e9"
    with pytest.raises(ConfigError, match="area holds the character U\\+202E"):
        load.configuration(None, ["cameras.yard.source=0", "cameras.yard.area=a\u202eb"])
