from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_node.assets import models
from edge_node.backends.choose import choose
from edge_node.config.model_settings import ModelSettings
from shared.errors import ModelError


def test_without_a_connection_the_error_says_where_to_put_the_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DARNER_CACHE", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(ModelError, match="Without a connection, put the file at") as caught:
        models.find_model("yolox_tiny")
    assert str(tmp_path / "models" / "yolox_tiny.onnx") in str(caught.value)


def test_a_model_that_nobody_publishes_says_how_to_make_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DARNER_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=r"convert rtmdet_tiny.* with MMDeploy.*put the file at") as caught:
        models.find_model("rtmdet_tiny")
    target = tmp_path / "models" / "rtmdet_tiny.onnx"
    assert str(target) in str(caught.value)
    target.parent.mkdir()
    target.write_bytes(b"weights")
    assert models.find_model("rtmdet_tiny") == target


def test_a_model_put_there_by_hand_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DARNER_CACHE", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "yolox_tiny.onnx").write_bytes(b"weights")
    assert models.find_model("yolox_tiny").read_bytes() == b"weights"


def test_the_built_in_model_comes_with_the_package_under_both_of_its_names() -> None:
    assert models.find_model("nanodet_g").stat().st_size > 1_000_000
    assert models.find_model("nanodet_g_416") == models.find_model("nanodet_g")


def test_an_unknown_name_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"of that name: nanodet_g, nanodet_g_416, .*yolox_tiny"):
        models.find_model("yolo99")
    with pytest.raises(ModelError, match=r"rfdetr_s; did you mean 'yolox_tiny'\?$"):
        models.find_model("yolox_tniy")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_model_in_a_folder_closed_to_the_user_is_one_line(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "model.onnx").write_bytes(b"weights")
    os.seteuid(65534)
    try:
        with pytest.raises(ModelError, match="no such file to read"):
            models.find_model(str(closed / "model.onnx"))
        with pytest.raises(ModelError, match="no such file to read"):
            choose(ModelSettings(name=str(closed / "model.onnx")))
    finally:
        os.seteuid(0)
