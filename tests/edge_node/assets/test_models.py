from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import Any

import pytest

from edge_node.assets import models
from shared.errors import ModelError


def test_without_a_connection_the_error_says_where_to_put_the_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def offline(*_: Any, **__: Any) -> None:
        raise OSError("no network")

    monkeypatch.setenv("DARNER_CACHE", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", offline)
    with pytest.raises(ModelError, match="Without a connection, put the file at") as caught:
        models.find_model("yolox_tiny")
    assert str(tmp_path / "models" / "yolox_tiny.onnx") in str(caught.value)


def test_a_model_put_there_by_hand_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DARNER_CACHE", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "yolox_tiny.onnx").write_bytes(b"weights")
    assert models.find_model("yolox_tiny").read_bytes() == b"weights"


def test_the_built_in_model_comes_with_the_package() -> None:
    assert models.find_model("nanodet_g_416").stat().st_size > 1_000_000


def test_an_unknown_name_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(ModelError, match="no known model of that name: nanodet_g_416, yolox"):
        models.find_model("yolo99")
