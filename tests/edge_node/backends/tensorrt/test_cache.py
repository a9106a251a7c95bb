"""Engines are kept, found again, shared between processes and deleted."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_node.backends.tensorrt.build import BuildOptions, build
from edge_node.backends.tensorrt.cache import EngineCache, build_options, save
from edge_node.backends.tensorrt.description import sidecar
from edge_node.config.model_settings import ModelSettings, TensorrtSettings
from shared.errors import ModelError
from tests.edge_node.backends.small_models import write
from tests.edge_node.backends.tensorrt.conftest import ELSEWHERE, FOR_AMPERE, WITH_RTX, Real, rtx


def test_an_engine_whose_order_is_not_known_is_built_again(real: Real, tmp_path: Path) -> None:
    model, cache = write(tmp_path / "model.onnx"), cached(tmp_path)
    path = cache.get(real.trt, *real.place, model, real.options)
    facts = json.loads(sidecar(path).read_text())
    del facts["outputs"]
    sidecar(path).write_text(json.dumps(facts))
    assert not cache.find(path)
    assert cache.find(cache.get(real.trt, *real.place, model, real.options))


def cached(folder: Path, **options: Any) -> EngineCache:
    return EngineCache(folder / "engines", **options)


def test_an_engine_is_built_once_and_found_again(
    real: Real, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    model, cache = write(tmp_path / "model.onnx"), cached(tmp_path)
    first = cache.get(real.trt, *real.place, model, real.options)
    assert "building it" in caplog.text
    caplog.clear()
    # The content counts, not the name.
    assert cache.get(real.trt, *real.place, model, real.options).read_bytes() == first.read_bytes()
    assert "building it" not in caplog.text


@WITH_RTX
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"gpu": "NVIDIA A40"}, id="GPU"),
        pytest.param({"capability": (8, 9)}, id="compute capability"),
        pytest.param({"options": replace(FOR_AMPERE, level=1)}, id="level"),
        pytest.param({"options": replace(FOR_AMPERE, side=320)}, id="size"),
        pytest.param({"options": replace(FOR_AMPERE, square=True)}, id="aspect"),
        pytest.param({"options": replace(FOR_AMPERE, profiles=((1, 1, 2),))}, id="profiles"),
        pytest.param({"options": replace(FOR_AMPERE, precision="fp32")}, id="precision"),
        pytest.param({"kind": "fp16"}, id="model"),
        pytest.param({"version": "10.9.0"}, id="TensorRT"),
    ],
)
def test_what_an_engine_depends_on_is_in_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    cache = cached(tmp_path)
    model = write(tmp_path / "model.onnx")
    before = cache.path(rtx, *ELSEWHERE, model, FOR_AMPERE)
    write(model, change.get("kind", "fp32"))
    if "version" in change:
        monkeypatch.setattr(rtx, "__version__", change["version"])
    after = cache.path(
        rtx,
        change.get("gpu", ELSEWHERE[0]),
        change.get("capability", ELSEWHERE[1]),
        model,
        change.get("options", FOR_AMPERE),
    )
    assert after != before


@pytest.mark.parametrize("damage", ["cut", "changed", "alone", "sidecar"])
def test_a_torn_engine_is_built_again(
    real: Real, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    model, cache = write(tmp_path / "model.onnx"), cached(tmp_path)
    path = cache.get(real.trt, *real.place, model, real.options)
    whole = path.read_bytes()
    if damage == "cut":
        path.write_bytes(whole[:-100])
    elif damage == "changed":
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    elif damage == "alone":
        sidecar(path).unlink()
    else:
        sidecar(path).write_text("{")
    assert not cache.find(path)
    again = cache.get(real.trt, *real.place, model, real.options)
    assert again == path
    assert cache.find(path)
    assert caplog.text.count("is damaged") == 1


def _get(folder: str, model: str) -> None:
    EngineCache(Path(folder)).get(rtx, *ELSEWHERE, Path(model), FOR_AMPERE)


@WITH_RTX
def test_two_processes_build_one_engine(tmp_path: Path) -> None:
    model = write(tmp_path / "model.onnx")
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_get, args=(str(tmp_path / "engines"), str(model))) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    files = sorted(path.name for path in (tmp_path / "engines").iterdir())
    assert len([name for name in files if name.endswith(".engine")]) == 1
    assert not [name for name in files if ".part" in name]
    cache = EngineCache(tmp_path / "engines")
    assert cache.find(cache.path(rtx, *ELSEWHERE, model, FOR_AMPERE))


@WITH_RTX
def test_the_longest_unused_engines_go_first(tmp_path: Path) -> None:
    cache = cached(tmp_path, limit_mb=0)
    model = write(tmp_path / "model.onnx")
    levels = [replace(FOR_AMPERE, level=level) for level in (0, 1)]
    first, second = (cache.get(rtx, *ELSEWHERE, model, options) for options in levels)
    assert not first.exists()
    assert not sidecar(first).exists()
    assert cache.find(second)  # the newest stays, however large


@WITH_RTX
def test_engines_that_another_process_deletes_meanwhile_do_no_harm(tmp_path: Path) -> None:
    model = write(tmp_path / "model.onnx")
    (tmp_path / "engines").mkdir()
    for suffix in (".engine", ".engine.json"):  # found, but no longer there when it is looked at
        (tmp_path / "engines" / f"model-gone{suffix}").symlink_to(tmp_path / "gone")
    assert cached(tmp_path).get(rtx, *ELSEWHERE, model, FOR_AMPERE).is_file()


@WITH_RTX
def test_an_engine_on_a_volume_that_is_only_to_be_read_is_not_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, cache = write(tmp_path / "model.onnx"), cached(tmp_path)
    path = cache.get(rtx, *ELSEWHERE, model, FOR_AMPERE)

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "utime", refuse)
    assert cache.find(path)


@WITH_RTX
def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    model = write(tmp_path / "model.onnx")
    (tmp_path / "engines").write_text("a file, not a folder")
    with pytest.raises(ModelError, match="engines"):
        cached(tmp_path).get(rtx, *ELSEWHERE, model, FOR_AMPERE)


@WITH_RTX
def test_a_full_disk_is_said_and_leaves_no_half_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = build(rtx, write(tmp_path / "model.onnx"), FOR_AMPERE)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ModelError, match="No space left"):
        save(tmp_path / "model.engine", built)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.onnx"]


def test_settings_become_profiles() -> None:
    def options(most: int, **model: Any) -> BuildOptions:
        return build_options(ModelSettings(tensorrt=TensorrtSettings(max_batch=most), **model))

    assert options(8).profiles == ((1, 1, 1), (1, 4, 8))
    assert options(1).profiles == ((1, 1, 1),)
    assert (options(1).side, options(1).square) == (0, False)
    square = options(1, input_size=320, rectangular=False)
    assert (square.side, square.square) == (320, True)
