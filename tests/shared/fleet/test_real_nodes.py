"""A rollout to two real nodes: zones, a setting, what a node saves, and a model; then back again."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from edge_node.assets.download import sha256
from edge_node.assets.models import BUILT_IN, DEFAULT
from shared.fleet.__main__ import main
from shared.wire import topics
from tests.conftest import Mosquitto
from tests.integration.test_file_to_mqtt import config, edge, listening
from tests.integration.test_reload import adapted


def test_two_real_nodes_come_to_what_a_folder_says_and_back(
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
    folder.mkdir()
    (folder / "all.yaml").write_text(
        "zones: {left: {polygon: [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}}\nsettings: {confidence: 0.4}\n"
    )
    (folder / "one.yaml").write_text("nodes: one\ncamera: {name: Gasse}\n")
    (folder / "two.yaml").write_text(f"nodes: two\nmodel: {{sha256: {sha256(new)}}}\n")
    quickly = [
        "--broker",
        broker.url,
        "--prefix",
        prefix,
        "--yes",
        "--pause",
        "0",
        "--canary",
        "0",
        "--batch",
        "2",
    ]
    with listening(broker.url, prefix) as heard, ExitStack() as stack:
        for name in ("one", "two"):
            settings = config(broker.url, people_video, prefix, pace="realtime", loop=True, max_fps=2)
            settings |= {"node": name, "zones_file": str(tmp_path / f"{name}.json"), "remote_cameras": "any"}
            settings["model"]["name"] = str(model)
            (tmp_path / name).mkdir()
            stack.enter_context(edge(tmp_path / name, settings))
        heard.listen_until(lambda: {one.node for one in heard.of(topics.DETECTIONS)} == {"one", "two"})

        new.replace(model)
        assert main(["apply", str(folder), *quickly]) == 0, capsys.readouterr().out
        model.write_bytes(old)
        said = capsys.readouterr().out
        assert "street: zones: + left, - all" in said
        assert "street: camera.name: null -> Gasse" in said

        assert main(["rollback", str(folder), *quickly]) == 0, capsys.readouterr().out
        said = capsys.readouterr().out
        assert "street: zones: + all, - left" in said
        heard.listen_until(lambda: sum(one.version == 3 for one in heard.of(topics.ZONES)) >= 2)
    drawn = [(one.node, one.version, set(one.zones)) for one in heard.of(topics.ZONES)]
    assert {("one", 2, frozenset({"left"})), ("two", 2, frozenset({"left"}))} <= {
        (node, version, frozenset(zones)) for node, version, zones in drawn
    }
    names = [one.cameras["street"].name for one in heard.of(topics.CAMERAS) if one.node == "one"]
    assert names == [None, "Gasse", None]
    assert [one.model.sha256 for one in heard.of(topics.INFO) if one.node == "two"][-1] == sha256(model)
