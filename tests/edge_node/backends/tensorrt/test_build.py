"""Engines built by each TensorRT that is here: without a GPU only that for RTX, which is like TensorRT 11."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest

from edge_node.assets.models import BUILT_IN
from edge_node.backends.interface import Tensor
from edge_node.backends.tensorrt.build import BuildOptions, build
from edge_node.backends.tensorrt.cache import EngineCache, build_options, save
from edge_node.backends.tensorrt.description import in_order, read, sidecar
from edge_node.config.model_settings import ModelSettings, TensorrtSettings
from shared.errors import ModelError
from tests.edge_node.backends.small_models import write
from tests.edge_node.backends.tensorrt.conftest import Real

try:
    import tensorrt_rtx_bindings as trt
except ImportError:
    trt = None
FOR_RTX = pytest.mark.skipif(trt is None, reason="needs tensorrt-rtx-cu13-libs and -bindings (Linux, x86-64)")
FOR_AMPERE = BuildOptions(capability=(8, 6), level=0, workspace_mb=256)
A10 = ("NVIDIA A10", (8, 6))


def engine_of(blob: bytes) -> Any:
    """The deserialised engine; None if this machine has no driver."""
    runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))
    return runtime.deserialize_cuda_engine(blob)


@pytest.mark.parametrize("kind", ["fp32", "fp16", "qdq"])
def test_engines_of_every_precision_are_built(real: Real, tmp_path: Path, kind: str) -> None:
    built = build(real.trt, write(tmp_path / "model.onnx", kind), real.options)
    assert len(built.engine) > 1000
    own = {"qdq": "int8", "fp32": "fp16" if real.weak else "fp32"}
    assert built.description["precision"] == own.get(kind, kind)
    assert built.description["profiles"] == [
        [[batch, 3, 64, 64] for batch in batches] for batches in real.options.profiles
    ]


def test_the_built_in_model_is_built_for_every_aspect_and_any_batch(real: Real) -> None:
    options = replace(real.options, workspace_mb=1024)
    built = build(real.trt, BUILT_IN / "nanodet_g.onnx", options)
    assert built.description["profiles"] == [
        [[1, 3, 32, 32], [1, 3, 288, 512], [1, 3, 512, 512]],
        [[1, 3, 32, 32], [8, 3, 288, 512], [16, 3, 512, 512]],
    ]


@pytest.mark.parametrize(
    ("model", "options", "shapes"),
    [
        pytest.param(
            {"batch": 4}, {}, [[[4, 3, 64, 64]] * 3], id="a fixed batch leaves the profiles no choice"
        ),
        pytest.param(
            {"size": "side"},
            {"sizes": ((96, 160),) * 3, "profiles": ((1, 2, 4),)},
            [[[1, 3, 96, 160], [2, 3, 96, 160], [4, 3, 96, 160]]],
            id="an open size is set",
        ),
        pytest.param(
            {"size": "side"},
            {"sizes": ((64, 64), (96, 160), (160, 160)), "profiles": ((1, 1, 1),)},
            [[[1, 3, 64, 64], [1, 3, 96, 160], [1, 3, 160, 160]]],
            id="a range of sizes",
        ),
        pytest.param(
            {"size": "side"},
            {"profiles": ((1, 1, 1),)},
            [[[1, 3, 32, 32], [1, 3, 384, 640], [1, 3, 640, 640]]],
            id="an open size that nobody names is 640 and any aspect",
        ),
        pytest.param(
            {"size": "side"},
            {"profiles": ((1, 1, 1),), "side": 300, "square": True},
            [[[1, 3, 320, 320]] * 3],
            id="a square of the configured side",
        ),
        pytest.param({}, {"side": 320, "profiles": ((1, 1, 1),)}, [[[1, 3, 64, 64]] * 3], id="a fixed size"),
    ],
)
def test_shapes_that_are_open_are_set(
    real: Real, tmp_path: Path, model: dict[str, Any], options: dict[str, Any], shapes: list[Any]
) -> None:
    built = build(real.trt, write(tmp_path / "model.onnx", **model), replace(real.options, **options))
    assert built.description["profiles"] == shapes


@FOR_RTX
@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        pytest.param({"kind": "unknown"}, {}, ["Detectify"], id="unknown operator"),
        pytest.param({}, {"sizes": ((32, 32),) * 3}, ["64x64", "32x32"], id="another size than the model's"),
        pytest.param({}, {"precision": "fp16"}, ["fp32", "optimization fp16"], id="half of a float model"),
        pytest.param({}, {"precision": "int8"}, ["not quantized", "quantize"], id="INT8 of a float model"),
        pytest.param({}, {"capability": (5, 0)}, ["SM50"], id="a GPU it does not know"),
        pytest.param({}, {"dla": 0}, ["no DLA core 0"], id="no accelerator"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_sentence(
    tmp_path: Path, model: dict[str, Any], options: dict[str, Any], words: list[str]
) -> None:
    path = write(tmp_path / "model.onnx", **model)
    with pytest.raises(ModelError) as caught:
        build(trt, path, replace(FOR_AMPERE, **options))
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_model_is_refused(real: Real, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"model\.onnx"):
        build(real.trt, path, real.options)


def test_the_names_of_the_classes_come_along(real: Real, tmp_path: Path) -> None:
    model = write(tmp_path / "model.onnx")
    path = tmp_path / "model.engine"
    built = build(real.trt, model, real.options)
    save(path, built)
    found = read(path)
    assert found.blob == built.engine
    assert json.loads(found.metadata["names"]) == {"0": "cat", "1": "dog"}


def test_metadata_before_the_engine_is_read(tmp_path: Path) -> None:
    text = json.dumps({"names": {"0": "cat"}, "stride": 32}).encode()
    path = tmp_path / "model.engine"
    path.write_bytes(len(text).to_bytes(4, "little") + text + b"engine")
    found = read(path)
    assert found.blob == b"engine"
    assert found.metadata == {"names": '{"0": "cat"}', "stride": "32"}


class WithoutBuilder:
    """TensorRT whose builder may not start."""

    def __getattr__(self, name: str) -> Any:
        assert name != "Builder", "the builder was started"
        return getattr(trt, name)


@FOR_RTX
@pytest.mark.parametrize(
    "options", [{"sizes": ((32, 32),) * 3}, {"precision": "int8"}, {"capability": (5, 0)}], ids=str
)
def test_wrong_options_are_refused_before_the_builder_starts(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ModelError):
        build(WithoutBuilder(), write(tmp_path / "model.onnx"), replace(FOR_AMPERE, **options))


def test_outputs_have_the_order_of_the_onnx_file(real: Real, tmp_path: Path) -> None:
    """TensorRT 8.6 has an order of its own."""
    model, path = write(tmp_path / "model.onnx"), tmp_path / "model.engine"
    save(path, build(real.trt, model, real.options))
    assert list(read(path).outputs) == [one.name for one in onnx.load(model).graph.output]
    own = [Tensor(name, (1, 8)) for name in ("c0", "d0", "c1", "d1")]
    assert [one.name for one in in_order(own, ["c0", "c1", "d0", "d1"])] == ["c0", "c1", "d0", "d1"]
    assert in_order(own, ["c0", "c1"]) == in_order(own, []) == tuple(own)


def test_an_engine_of_another_tool_has_the_order_of_the_onnx_file_beside_it(tmp_path: Path) -> None:
    model = write(tmp_path / "model.onnx")
    (tmp_path / "model.engine").write_bytes(b"engine")
    found = read(tmp_path / "model.engine")
    assert list(found.outputs) == [one.name for one in onnx.load(model).graph.output]
    assert json.loads(found.metadata["names"]) == {"0": "cat", "1": "dog"}


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


@FOR_RTX
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
    before = cache.path(trt, *A10, model, FOR_AMPERE)
    write(model, change.get("kind", "fp32"))
    if "version" in change:
        monkeypatch.setattr(trt, "__version__", change["version"])
    after = cache.path(
        trt,
        change.get("gpu", A10[0]),
        change.get("capability", A10[1]),
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
    EngineCache(Path(folder)).get(trt, *A10, Path(model), FOR_AMPERE)


@FOR_RTX
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
    assert cache.find(cache.path(trt, *A10, model, FOR_AMPERE))


@FOR_RTX
def test_the_longest_unused_engines_go_first(tmp_path: Path) -> None:
    cache = cached(tmp_path, limit_mb=0)
    model = write(tmp_path / "model.onnx")
    levels = [replace(FOR_AMPERE, level=level) for level in (0, 1)]
    first, second = (cache.get(trt, *A10, model, options) for options in levels)
    assert not first.exists()
    assert not sidecar(first).exists()
    assert cache.find(second)  # the newest stays, however large


@FOR_RTX
def test_engines_that_another_process_deletes_meanwhile_do_no_harm(tmp_path: Path) -> None:
    model = write(tmp_path / "model.onnx")
    (tmp_path / "engines").mkdir()
    for suffix in (".engine", ".engine.json"):  # found, but no longer there when it is looked at
        (tmp_path / "engines" / f"model-gone{suffix}").symlink_to(tmp_path / "gone")
    assert cached(tmp_path).get(trt, *A10, model, FOR_AMPERE).is_file()


@FOR_RTX
def test_an_engine_on_a_volume_that_is_only_to_be_read_is_not_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, cache = write(tmp_path / "model.onnx"), cached(tmp_path)
    path = cache.get(trt, *A10, model, FOR_AMPERE)

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "utime", refuse)
    assert cache.find(path)


@FOR_RTX
def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    model = write(tmp_path / "model.onnx")
    (tmp_path / "engines").write_text("a file, not a folder")
    with pytest.raises(ModelError, match="engines"):
        cached(tmp_path).get(trt, *A10, model, FOR_AMPERE)


@FOR_RTX
def test_a_full_disk_is_said_and_leaves_no_half_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = build(trt, write(tmp_path / "model.onnx"), FOR_AMPERE)

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
