"""Where a model comes from, as its file says it: only what has the form of a hash or a time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_node.assets.download import sha256
from edge_node.backends.interface import ModelFile
from edge_node.backends.lineage import DATA, MADE, PARENT, Lineage, lineage_of
from edge_node.backends.onnx.backend import OnnxBackend
from edge_node.backends.tensorrt.description import read, sidecar
from tests.edge_node.backends import networks

HASH = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, Lineage()),
        (
            {PARENT: HASH, DATA: HASH[::-1], MADE: "2026-01-02T03:04:05+00:00"},
            Lineage(parent=HASH, data=HASH[::-1], made="2026-01-02T03:04:05+00:00"),
        ),
        ({PARENT: HASH.upper(), DATA: HASH + "\n", MADE: "yesterday"}, Lineage()),
        ({PARENT: "<script>", DATA: "a" * 63, MADE: "2026-01-02T03:04:05Z" + "0" * 999}, Lineage()),
    ],
)
def test_what_is_not_in_form_is_as_good_as_not_said(metadata: dict[str, str], expected: Lineage) -> None:
    assert lineage_of(ModelFile((), (), metadata)) == expected


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    path = networks.detector(tmp_path / "cells.onnx", **{PARENT: HASH})
    found = lineage_of(OnnxBackend(path).model)
    assert (found.sha256, found.parent) == (sha256(path), HASH)


@pytest.mark.parametrize(("said", "expected"), [(HASH, HASH), (None, None), (7, None)])
def test_an_engine_is_known_by_the_file_it_was_built_from(
    tmp_path: Path, said: object, expected: str | None
) -> None:
    path = tmp_path / "m.engine"
    path.write_bytes(b"an engine")
    sidecar(path).write_text(json.dumps({"outputs": ["y"], "model_sha256": said}))
    assert read(path).model_sha256 == expected
