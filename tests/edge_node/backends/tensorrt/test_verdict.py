"""Engines are compared with their ONNX files before they are kept."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_node.backends.tensorrt import cache as caching
from edge_node.backends.tensorrt.build import Built, build
from edge_node.backends.tensorrt.cache import EngineCache
from edge_node.backends.tensorrt.description import sidecar
from edge_node.backends.tensorrt.verdict import Check, Verdict
from shared.errors import ModelError
from tests.edge_node.backends.small_models import write
from tests.edge_node.backends.tensorrt.conftest import Real

GOOD, BAD = Verdict(True, "mean best IoU 0.994 of 9 detections"), Verdict(False, "mean best IoU 0.520")
UNKNOWN = Verdict(None, "the model finds nothing")


class Asked:
    """Gives verdicts in turn, and counts builds and questions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, real: Real) -> None:
        self._real = real
        self.cache, self.model = EngineCache(folder / "engines"), write(folder / "model.onnx")
        self.builds, self.engines = 0, list[Path]()
        monkeypatch.setattr(caching, "build", self._build)

    def _build(self, *given: Any, **named: Any) -> Built:
        self.builds += 1
        return build(*given, **named)

    def get(self, check: Check | None) -> Path:
        options = replace(self._real.options, profiles=((1, 1, 1),))
        return self.cache.get(self._real.trt, *self._real.place, self.model, options, check)

    def saying(self, *verdicts: Verdict) -> Check:
        left = list(verdicts)

        def check(model: Path, engine: Path) -> Verdict:
            assert model == self.model
            assert engine.is_file()
            self.engines.append(engine)
            return left.pop(0)

        return check


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, real: Real) -> Asked:
    return Asked(monkeypatch, tmp_path, real)


@pytest.mark.parametrize(
    ("verdict", "noted"), [(GOOD, GOOD.text), (UNKNOWN, "not checked: the model finds nothing")]
)
def test_an_engine_is_compared_once(
    asked: Asked, caplog: pytest.LogCaptureFixture, verdict: Verdict, noted: str
) -> None:
    caplog.set_level(logging.INFO, "darner.backend")
    check = asked.saying(verdict)
    assert asked.get(check) == asked.get(check)
    assert (asked.builds, len(asked.engines)) == (1, 1)
    assert json.loads(sidecar(asked.engines[0]).read_text())["check"] == noted
    assert noted in caplog.text


def test_a_check_that_could_not_be_made_is_made_at_the_next_start(asked: Asked) -> None:
    path = asked.get(asked.saying(Verdict(None, "the GPU is full", again=True)))
    assert asked.get(asked.saying(GOOD)) == path
    assert json.loads(sidecar(path).read_text())["check"] == GOOD.text
    assert (asked.builds, len(asked.engines)) == (1, 2)


def test_an_engine_of_an_older_darner_is_compared_and_not_built_again(asked: Asked) -> None:
    path = asked.get(None)
    assert asked.get(asked.saying(GOOD)) == path
    assert asked.builds == 1


def test_a_bad_engine_is_refused_with_figures_and_not_built_again(asked: Asked) -> None:
    with pytest.raises(ModelError, match=r"does not find what .*IoU 0\.520.*precision") as first:
        asked.get(asked.saying(BAD))
    assert not asked.engines[0].exists()
    assert not sidecar(asked.engines[0]).exists()
    with pytest.raises(ModelError) as second:
        asked.get(asked.saying())
    assert str(second.value) == str(first.value)
    assert asked.builds == 1
    refusal = asked.engines[0].with_suffix(".refused")
    assert str(refusal) in str(first.value)
    refusal.unlink()
    assert asked.get(asked.saying(GOOD)).is_file()
    assert asked.builds == 2


def test_a_bad_engine_runs_where_nobody_compares(asked: Asked) -> None:

    with pytest.raises(ModelError):
        asked.get(asked.saying(BAD))
    assert asked.get(None).is_file()
    with pytest.raises(ModelError):  # the refusal stays
        asked.get(asked.saying(BAD))
