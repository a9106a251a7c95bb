"""Which file may import which, so that the wings stay wings.

A file may import its own wing, and wings on a lower level; never a wing beside its own, never one above.
Imports inside functions and below ``TYPE_CHECKING`` count like any other.
"""

from __future__ import annotations

import ast
import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import pytest

REPO = Path(__file__).resolve().parent.parent

PROGRAMS = {
    "shared": {"shared"},
    "edge_node": {"edge_node", "shared"},
    "viewer_server": {"viewer_server", "shared"},
    "broker": {"broker", "shared"},
    "optimization": {"optimization", "edge_node", "shared"},
}
"""Which of our top-level packages may import which."""

LEVELS: dict[str, list[str]] = {
    "shared": [
        "secrets",
        "errors.py channel.py clock.py files.py geometry.py limits.py signals.py typed.py",
        "configuration storage",
        "log.py settings.py pictures.py program.py service",
        "wire",
        "collected.py mqtt documents schedules",
        "asking definitions",
        "rules",
        "conformance replay fleet",
    ],
    "shared/schedules": ["wall_clock.py", "sun.py", "spans.py", "timetable.py", "modes.py"],
    "shared/mqtt": [
        "address.py received.py subscriptions.py window.py",
        "properties.py retained.py room.py",
        "link",
        "sending.py",
        "client.py",
        "command_line.py",
    ],
    "shared/mqtt/link": [
        "reach.py reading.py route.py terms.py tls.py",
        "paho_reader.py",
        "paho_client.py troubles.py",
        "connection.py",
    ],
    "edge_node": [
        "pictures.py interpreter.py pace.py mqtt_source.py machine assets",
        "frames.py",
        "config onvif",
        "capture track ignore health outbox backends",
        "detect analytics inbound",
        "consolidate days",
        "monitoring rules",
        "calendar collect mirror models publish",
        "flow discover",
        "control batch",
        "parts.py",
        "incoming.py",
        "node.py doctor demo.py",
        "__main__.py",
    ],
    "edge_node/flow": ["progress.py", "overview.py", "intake.py", "pipeline.py"],
    "edge_node/calendar": [
        "mode_file.py store.py",
        "keeper.py",
        "applying.py commands.py sender.py",
        "running.py",
    ],
    "edge_node/discover": [
        "markup.py",
        "patience.py",
        "soap.py",
        "found.py multicast.py onvif.py probing.py wanted.py webcams.py",
        "find.py printed.py",
        "command.py",
    ],
    "edge_node/health": [
        "glance.py",
        "colours.py course.py rate.py stillness.py",
        "usual.py view.py",
        "moving.py swaying.py",
        "hiding.py",
        "camera.py report.py",
        "store.py",
        "monitor.py",
    ],
    "edge_node/doctor": ["finding.py", "broker.py gpu.py", "doctor.py"],
    "edge_node/capture": [
        "readers",
        "decoding.py",
        "attempts.py clock.py film.py rtsp.py",
        "opening.py extent.py",
        "camera.py",
    ],
    "edge_node/backends": [
        "preprocess.py sizes.py",
        "interface.py",
        "host.py cuda lineage.py",
        "beside.py",
        "onnx tensorrt torch.py kserve.py rescue.py",
        "choose.py",
    ],
    "viewer_server": [
        "targets.py",
        "config.py memory.py",
        "quotas.py",
        "live stored access labelling",
        "archive mqtt notify pages.py serving",
        "api",
        "app.py",
        "server.py",
        "__main__.py",
    ],
    "broker": ["account.py certificates.py open_files.py", "roles.py", "__main__.py"],
    "optimization": [
        "detectors.py files.py pictures.py targets.py",
        "arguments.py command.py",
        "build_options.py graph",
        "measure",
        "dataset",
        "training",
        "commands",
        "__main__.py",
    ],
    "optimization/dataset": [
        "texts.py",
        "labelled.py places.py contents.py",
        "formats mend.py stats.py",
        "reading.py merge.py plot.py sheet.py scenes.py",
        "writing.py check.py split.py",
    ],
    "optimization/dataset/formats": ["rows.py", "coco.py voc.py yolo.py"],
    "optimization/training": [
        "assign.py augment.py fusion.py lineage.py network schedule.py",
        "following.py judge.py losses.py material.py nightly trainer",
        "annotated.py choosing.py fit.py teachers.py",
        "adapt.py",
    ],
    "optimization/commands/dataset": [
        "options.py",
        "check.py convert.py label.py merge.py split.py stats.py",
    ],
    "optimization/commands": [  # no command imports another, but those that learn go on with others
        " ".join(
            f"{name}.py"
            for name in (
                "benchmark build compare convert evaluate_counts evaluate_detector evaluate_tracker "
                "evaluate_video export fp16 inspect_model quantize simplify triton"
            ).split()
        )
        + " dataset",
        "learning",
    ],
}
"""The wings of a folder, lowest level first; what stands on one level stands side by side."""

CONFINED = {
    "paho": {
        f"shared/mqtt/{name}.py"
        for name in (
            "link/connection",
            "link/paho_client",
            "link/paho_reader",
            "properties",
            "sending",
            "subscriptions",
        )
    },
    "flask": {"viewer_server"},
    "flask_sock": {"viewer_server"},
    "tensorrt": {"edge_node/backends/tensorrt/module.py"},
    "psycopg": {
        f"viewer_server/archive/{name}.py"
        for name in ("database", "leader", "start", "store", "troubles", "worker")
    },
    "apprise": {"viewer_server/notify/post.py"},
    "pycuda": {"edge_node/backends/cuda/device.py"},
    "libreyolo": {"optimization/training/trainer/networks.py"},
}
"""Packages that one file, or one program, has to itself."""

MOST_FILES = 14
CODE = {".py", ".js", ".cu", ".css", ".html"}


def modules() -> dict[str, str]:
    """The file of every module of ours, by its dotted name."""
    return {
        ".".join(path.with_suffix("").parts).removesuffix(".__init__"): str(path)
        for program in PROGRAMS
        for path in (found.relative_to(REPO) for found in sorted((REPO / program).rglob("*.py")))
    }


def imported(tree: ast.AST, known: Iterable[str]) -> Iterator[str]:
    """The names a file imports: of our modules the deepest that exists, of other packages the top."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in known else node.module for name in inner]
        else:
            continue
        yield from names


MODULES = modules()


@functools.cache
def imports(file: str) -> frozenset[str]:
    """The names that a file of ours imports; read only by the process that runs these tests."""
    return frozenset(imported(ast.parse((REPO / file).read_text()), MODULES))


def offence(importer: str, target: str, levels: Mapping[str, Sequence[str]]) -> str | None:
    """What is wrong when one of our files imports another, as a sentence; None where nothing is."""
    here, there = PurePosixPath(importer).parts, PurePosixPath(target).parts
    for depth in range(1, min(len(here), len(there))):
        folder = "/".join(here[:depth])
        ours, theirs = here[depth], there[depth]
        if here[:depth] != there[:depth] or theirs == "__init__.py":
            return None
        if ours == theirs or folder not in levels:
            continue
        level = {name: at for at, names in enumerate(levels[folder]) for name in names.split()}
        if level.get(theirs, -1) >= level.get(ours, -1):
            return f"{importer} may not import {target}: in {folder}, {theirs} is not below {ours}"
        return None
    return None


def circles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Groups of modules that import each other, directly or through others (Tarjan's components)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in graph.get(name, ()):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                found.append(sorted(group))

    for name in graph:
        if name not in index:
            visit(name)
    return found


@pytest.mark.parametrize("file", sorted(MODULES.values()))
def test_a_file_imports_only_what_is_below_it(file: str) -> None:
    ours = [MODULES[name] for name in imports(file) if name in MODULES]
    wrong = [text for text in (offence(file, other, LEVELS) for other in sorted(ours)) if text]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("file", sorted(MODULES.values()))
def test_programs_and_packages_keep_apart(file: str) -> None:
    program = file.split("/")[0]
    tops = {name.split(".")[0] for name in imports(file)}
    assert tops & PROGRAMS.keys() <= PROGRAMS[program]
    for package, places in CONFINED.items():
        assert package not in tops or file in places or program in places, f"{package} does not belong here"


def test_no_modules_import_each_other_in_a_circle() -> None:
    files = MODULES.values()
    graph = {file: [MODULES[name] for name in imports(file) if name in MODULES] for file in files}
    assert circles(graph) == []


@pytest.mark.parametrize("folder", sorted(LEVELS))
def test_every_file_and_wing_has_its_level(folder: str) -> None:
    there = {
        path.name
        for path in (REPO / folder).iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").exists()) and path.name != "__init__.py"
    }
    assert Counter(name for names in LEVELS[folder] for name in names.split()) == Counter(there)


def test_no_folder_is_crowded() -> None:
    ours = [path for top in (*PROGRAMS, "tests") for path in (REPO / top).rglob("*") if path.suffix in CODE]
    count = Counter(path.parent.relative_to(REPO) for path in ours if path.name != "__init__.py")
    assert {str(folder): n for folder, n in count.items() if n > MOST_FILES} == {}


@pytest.mark.parametrize(
    ("importer", "target", "lawful"),
    [
        ("edge_node/publish/compose.py", "edge_node/track/tracker.py", True),  # downwards
        ("edge_node/publish/compose.py", "edge_node/publish/jpeg.py", True),  # its own wing
        ("edge_node/track/tracker.py", "edge_node/publish/compose.py", False),  # upwards
        ("edge_node/track/tracker.py", "edge_node/outbox/outbox.py", False),  # sideways
        ("edge_node/backends/onnx/backend.py", "edge_node/backends/tensorrt/backend.py", False),  # in a wing
        ("edge_node/backends/onnx/backend.py", "edge_node/backends/onnx/file.py", True),
        ("edge_node/config/settings.py", "edge_node/backends/cuda/device.py", False),
        ("edge_node/flow/pipeline.py", "edge_node/__init__.py", True),  # the version is everybody's
        ("edge_node/machine/vitals.py", "shared/wire/topics.py", True),  # another program: the other test
    ],
)
def test_the_law_tells_downwards_from_sideways_and_upwards(importer: str, target: str, lawful: bool) -> None:
    assert (offence(importer, target, LEVELS) is None) == lawful


def test_the_law_finds_circles() -> None:
    assert circles({"a": ["b"], "b": ["c"], "c": ["a", "d"], "d": []}) == [["a", "b", "c"]]
    assert circles({"a": ["b", "c"], "b": ["c"], "c": []}) == []
