"""The configuration reference, and the schemas with which editors check configuration files."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import jsonschema
import pytest
import yaml

from edge_node.config.settings import EdgeConfig
from shared import settings
from shared.configuration import declared
from shared.errors import ConfigError
from shared.secrets.redact import names_a_secret
from tests import document_configuration
from tests.conftest import REPO
from tests.docs.pages import blocks, pages
from tests.document_configuration import PROGRAMS
from viewer_server.archive.config import ArchiveConfig
from viewer_server.config import ViewerConfig

EDGE, VIEWER, ARCHIVE = (program.schema_file for program in PROGRAMS)
CONFIGS: dict[Path, type] = {EDGE: EdgeConfig, VIEWER: ViewerConfig, ARCHIVE: ArchiveConfig}
MODELINE = re.compile(r"^# yaml-language-server: \$schema=(\S+)$", re.MULTILINE)

EXAMPLES = {str(block): (REPO, block.text) for page in pages() for block in blocks(page, "yaml")}
DEMO = REPO / "edge_node" / "demo.yaml"
EXAMPLES["edge_node/demo.yaml"] = (DEMO.parent, DEMO.read_text())


ADDRESSES = {"cameras.source", "model.name", "mqtt.url", "notify.targets.url"}


def declared_keys(kind: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every key and its declared type; names that users choose are left out of the paths."""
    plain = declared.plain(kind)
    if get_origin(plain) is dict:
        yield from declared_keys(get_args(plain)[1], path)
    elif dataclasses.is_dataclass(plain) and isinstance(plain, type):
        for key, child in declared.keys(plain).items():
            full = f"{path}.{key}".lstrip(".")
            yield full, child
            yield from declared_keys(child, full)


def refused_by_schema(schema: Path, raw: object) -> bool:
    checker = jsonschema.Draft7Validator(json.loads(schema.read_text()))
    return not checker.is_valid(raw)


def refused_by_program(schema: Path, raw: object) -> bool:
    try:
        settings.convert(CONFIGS[schema], raw, where="example")
    except ConfigError:
        return True
    return False


def test_page_and_schemas_are_those_of_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert document_configuration.main(["--check"]) == 0, capsys.readouterr().err


def test_a_stale_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(document_configuration, "PAGE", tmp_path / "configuration.md")
    assert document_configuration.main(["--check"]) == 1
    assert str(tmp_path / "configuration.md") in capsys.readouterr().err
    assert not (tmp_path / "configuration.md").exists()


@pytest.mark.parametrize("config", CONFIGS.values())
def test_every_key_for_a_secret_a_file_or_an_address_is_declared_as_one(config: type) -> None:
    for path, kind in declared_keys(config):
        name = path.rpartition(".")[2]
        if str not in declared.members(kind):
            continue
        assert declared.meta(kind, "file") == (name.endswith(("_file", "path"))), path
        assert declared.meta(kind, "secret") == (names_a_secret(name) and not name.endswith("_file")), path
        assert declared.meta(kind, "address") == (path in ADDRESSES), path


@pytest.mark.parametrize("schema", CONFIGS)
def test_every_key_says_what_it_means(schema: Path) -> None:
    document = json.loads(schema.read_text())
    jsonschema.Draft7Validator.check_schema(document)
    for name, definition in document["$defs"].items():
        assert definition["description"], name
        for key, field in definition["properties"].items():
            assert "$ref" in field or field.get("description"), f"{name}.{key}"


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_names_its_schema_and_both_schema_and_program_take_it(name: str) -> None:
    folder, text = EXAMPLES[name]
    named = MODELINE.search(text)
    assert named, "the first line must be: # yaml-language-server: $schema=..."
    schema = (folder / named[1]).resolve()
    assert schema in CONFIGS
    raw = yaml.safe_load(text)
    settings.convert(CONFIGS[schema], raw, where=name)
    assert not refused_by_schema(schema, raw)


def camera(**keys: Any) -> dict[str, Any]:
    return {"cameras": {"door": {"source": 0, **keys}}}


@pytest.mark.parametrize(
    ("schema", "raw"),
    [
        pytest.param(EDGE, {"camera": {}}, id="an unknown key at the top"),
        pytest.param(EDGE, camera(zone={}), id="an unknown key of a camera"),
        pytest.param(EDGE, {"model": {"tensorrt": {"levels": 3}}}, id="an unknown key two levels down"),
        pytest.param(EDGE, camera(detect_every="two"), id="a text for a number"),
        pytest.param(EDGE, camera(detect_every=2.5), id="a fraction for a whole number"),
        pytest.param(EDGE, camera(loop=1), id="a number for true or false"),
        pytest.param(EDGE, camera(source=None), id="nothing for a source"),
        pytest.param(EDGE, {"mqtt": {"version": 5}}, id="a version without its quotes"),
        pytest.param(EDGE, {"model": {"classes": "person"}}, id="a text for a list"),
        pytest.param(EDGE, {"mqtt": None}, id="a section without anything in it"),
        pytest.param(EDGE, {"cameras": {"door": {}}}, id="a camera without a source"),
        pytest.param(EDGE, {"cameras": {"front door": {"source": 0}}}, id="a name with a space"),
        pytest.param(EDGE, camera(pace="slow"), id="a choice that there is not"),
        pytest.param(EDGE, camera(region=[0, 0, 1]), id="too few numbers"),
        pytest.param(EDGE, camera(region=[0, 0, 1, 2]), id="a number that is too large"),
        pytest.param(EDGE, camera(fps=0), id="a lower bound that does not count"),
        pytest.param(EDGE, camera(zones={"a": {"polygon": [[0, 0], [1, 1]]}}), id="too few corners"),
        pytest.param(EDGE, camera(analytics={"ground": {"image": []}}), id="half a calibration"),
        pytest.param(VIEWER, {"cameras": {}}, id="a key of the other program"),
        pytest.param(VIEWER, {"http": {"port": "8080"}}, id="a port in quotes"),
        pytest.param(VIEWER, {"history": {"path": ""}}, id="an empty path"),
    ],
)
def test_schema_and_program_refuse_the_same(schema: Path, raw: object) -> None:
    assert refused_by_program(schema, raw)
    assert refused_by_schema(schema, raw)


@pytest.mark.parametrize(
    ("schema", "raw"),
    [
        pytest.param(EDGE, {}, id="an empty file"),
        pytest.param(EDGE, camera(fps=10, region=None), id="a whole number for any number, null for none"),
        pytest.param(EDGE, camera(zones={"a": {"polygon": [[0, 0], [1, 0], [1, 1]]}}), id="a zone"),
        pytest.param(EDGE, {"prometheus": {"port": None}, "zones_file": None}, id="null"),
        pytest.param(EDGE, {"model": {"layout": "auto", "devices": [0, 1]}}, id="a choice and a list"),
        pytest.param(VIEWER, {"history": {"path": None}, "http": {"port": 0}}, id="a viewer"),
    ],
)
def test_schema_and_program_take_the_same(schema: Path, raw: object) -> None:
    assert not refused_by_program(schema, raw)
    assert not refused_by_schema(schema, raw)
