"""A rollout to a real node: zones, a setting, what a node saves, and a model; then back again."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_node.assets.download import sha256
from edge_node.assets.models import BUILT_IN, DEFAULT
from shared.fleet.__main__ import main
from shared.wire import topics
from tests.conftest import Mosquitto
from tests.integration.test_file_to_mqtt import config, edge, listening
from tests.integration.test_reload import adapted


def test_a_real_node_comes_to_what_a_folder_says_and_back(
    broker: Mosquitto,
    people_video: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DARNER_STATE", str(tmp_path / "state"))
    prefix, model, folder = "test-fleet/v1", tmp_path / "yard.onnx", tmp_path / "folder"
    old = (BUILT_IN / f"{DEFAULT}.onnx").read_bytes()
    model.write_bytes(old)
    new = adapted(model)
    wanted = sha256(new)
    folder.mkdir()
    (folder / "all.yaml").write_text(
        "zones: {left: {polygon: [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}}\nsettings: {confidence: 0.4}\n"
    )
    (folder / "one.yaml").write_text("nodes: one\ncamera: {name: Gasse}\n")
    (folder / "wide.yaml").write_text(
        "calendar: {schedules: {night: {spans: [{start: '22:00', end: '06:00'}]}}}\n"
        "rules: {long: {when: {trigger: stay, zones: [left], for_s: 60}, schedule: night}}\n"
    )
    (folder / "model.yaml").write_text(f"model: {{sha256: {wanted}}}\n")
    quickly = ["--broker", broker.url, "--prefix", prefix, *"--yes --pause 0".split()]
    settings = config(broker.url, people_video, prefix, pace="realtime", loop=True, max_fps=2)
    settings |= {"node": "one", "zones_file": str(tmp_path / "zones.json"), "remote_cameras": "any"}
    settings["model"]["name"] = str(model)
    with listening(broker.url, prefix) as heard, edge(tmp_path, settings):
        heard.listen_until(lambda: bool(heard.of(topics.DETECTIONS)))

        new.replace(model)
        assert main(["apply", str(folder), *quickly]) == 0, capsys.readouterr().out
        model.write_bytes(old)
        said = capsys.readouterr().out
        assert "street: zones: + left, - all" in said
        assert "street: camera.name: null -> Gasse" in said
        assert "calendar.schedules: + night" in said
        assert "rules: + long" in said
        assert "note:" not in said

        assert main(["rollback", str(folder), *quickly]) == 0, capsys.readouterr().out
        said = capsys.readouterr().out
        assert "street: zones: + all, - left" in said
        assert "calendar.schedules: - night" in said
        assert "rules: - long" in said
        heard.listen_until(lambda: any(one.version == 3 for one in heard.of(topics.ZONES)))
        heard.listen_until(lambda: heard.of(topics.SETTINGS)[-1].confidence != 0.4)
    assert [set(one.zones) for one in heard.of(topics.ZONES) if one.version == 2] == [{"left"}]
    confidences = [one.confidence for one in heard.of(topics.SETTINGS)]
    assert list(dict.fromkeys(confidences)) == [confidences[0], 0.4]
    assert confidences[-1] == confidences[0]
    names = [one.cameras["street"].name for one in heard.of(topics.CAMERAS)]
    assert names == [None, "Gasse", None]
    loaded = [one.model.sha256 for one in heard.of(topics.INFO)]
    assert wanted in loaded
    assert loaded[-1] == sha256(model)
