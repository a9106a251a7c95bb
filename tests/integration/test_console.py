"""The wheel as a user gets it: its console commands, its data, and what it says where an extra is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.conftest import REPO

PACKAGES = ("broker", "edge_node", "optimization", "shared", "viewer_server")
COMMANDS = (
    "darner-archive",
    "darner-broker",
    "darner-conformance",
    "darner-edge",
    "darner-fleet",
    "darner-optimize",
    "darner-replay",
    "darner-viewer",
)
OPTIONAL = ("flask", "gunicorn", "iotcore", "onnx", "onnxslim", "psycopg")
"""Packages of extras, which the environment of these tests lacks."""


def pip(*arguments: object) -> None:
    offline = ("--disable-pip-version-check", "--no-index", "--no-deps", "-q")
    subprocess.run([sys.executable, "-m", "pip", *map(str, arguments), *offline], check=True)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and what it needs, but without extras: what `pipx install` makes."""
    folder = tmp_path_factory.mktemp("wheel")
    sources = folder / "sources"
    for name in PACKAGES:
        shutil.copytree(REPO / name, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(REPO / name, sources)
    pip("wheel", sources, "--no-build-isolation", "-w", folder)
    fresh = folder / "fresh"
    venv.create(fresh, symlinks=True)
    pip("--python", fresh / "bin" / "python", "install", *folder.glob("*.whl"))
    needed = folder / "needed"
    needed.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if entry.name not in OPTIONAL and entry.suffix != ".pth":
            (needed / entry.name).symlink_to(entry)
    (site(fresh) / "needed.pth").write_text(f"{needed}\n")
    return fresh


def site(environment: Path) -> Path:
    return next(environment.glob("lib/python3*/site-packages"))


def start(installed: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [installed / "bin" / words[0], *words[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=installed,  # not the repository, whose modules would be found before those of the wheel
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )


@pytest.mark.long
def test_every_console_command_explains_itself_by_its_own_name(installed: Path) -> None:
    there = {path.name for path in (installed / "bin").glob("darner-*")}
    assert there == set(COMMANDS)
    running = {name: start(installed, name, "--help") for name in COMMANDS}
    for name, process in running.items():
        said, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert said.startswith(f"usage: {name} "), said


def test_the_wheel_holds_every_file_that_is_not_code_as_well(installed: Path) -> None:
    # Images are built from the repository. Only the type check of the JavaScript reads jsconfig.json and the
    # declarations (.d.ts).
    left_out = {"Dockerfile", "Dockerfile.gpu", "Dockerfile.jetson", "jsconfig.json"}

    def data(root: Path) -> set[str]:
        return {
            str(path.relative_to(root))
            for name in PACKAGES
            for path in (root / name).rglob("*")
            if path.is_file() and path.suffix not in {".py", ".pyc", ".ts"} and path.name not in left_out
        }

    assert data(site(installed)) == data(REPO)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["darner-archive"], "this command needs psycopg: install 'darner[postgres]'"),
        (["darner-viewer"], "this command needs flask and gunicorn: install 'darner[viewer]'"),
        (
            ["darner-viewer", "--hash-password"],
            "this command needs flask and gunicorn: install 'darner[viewer]'",
        ),
        (
            ["darner-optimize", "simplify", "--model", "x", "--output", "y"],
            "this command needs onnx and onnxslim: install 'darner[optimize]'",
        ),
        (
            ["darner-optimize", "adapt", "--video", "x", "--out", "y"],
            "this command needs onnx: install 'darner[train]'",
        ),
        (
            ["darner-optimize", "train", "--data", "x", "--out", "y"],
            "this command needs onnx: install 'darner[train]'",
        ),
        (
            ["darner-broker", "--engine", "rumqttd"],
            "no MQTT broker is installed: apt install mosquitto, or install 'darner[broker]'",
        ),
    ],
)
def test_a_command_without_its_extra_says_in_one_line_what_to_install(
    installed: Path, words: list[str], says: str
) -> None:
    process = start(installed, *words)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 2, errors
    assert errors.rstrip().endswith(f": {says}")
    assert errors.count("\n") == 1
