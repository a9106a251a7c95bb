"""The page's JavaScript: which module may import which, and that its types are those of the wire."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from viewer_server.api.typescript import FILE, declarations

STATIC = Path(__file__).resolve().parents[2] / "viewer_server" / "static"
LEVELS = {
    "common": 0,
    "lists": 1,
    "picture": 1,
    "cameras": 2,
    "edit": 2,
    "health": 2,
    "paths": 2,
    "schedules": 2,
    "notices": 3,
    "live": 4,
    "pages": 4,
    "label": 4,
    "alerts": 5,
}
"""A module imports its own folder and folders on a lower level: the camera's page opens the editor."""
TYPES = {"../../wire", "../../page"}
"""Types alone, in comments: nothing is loaded."""
MODULES = sorted(STATIC.rglob("*.js"))
IMPORT = re.compile(r"""(?:\} from |\bimport |\bimport\()["']([^"']+)["']""")


def imports(module: Path) -> list[str]:
    """What a module imports: `import` lines, calls of import(), and types in its comments."""
    return IMPORT.findall(module.read_text())


def allowed(module: Path, name: str) -> bool:
    if name in TYPES:
        return True
    target = (module.parent / name).resolve()
    if not target.is_file():
        return False
    own, other = module.parent.name, target.parent.name
    return own == other or LEVELS[other] < LEVELS[own]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(STATIC)))
def test_a_module_imports_its_own_folder_and_lower_ones(module: Path) -> None:
    assert [name for name in imports(module) if not allowed(module, name)] == []


@pytest.mark.parametrize(
    ("module", "name", "expected"),
    [
        ("common/dom.js", "./format.js", True),  # beside it
        ("live/camera.js", "../edit/editor.js", True),  # below
        ("edit/editor.js", "../live/tile.js", False),  # above
        ("pages/feed.js", "../live/events.js", False),  # beside its folder
        ("common/rest.js", "../pages/axes.js", False),
        ("pages/feed.js", "./gone.js", False),  # no such file
        ("pages/feed.js", "https://example.com/x.js", False),  # from elsewhere
    ],
)
def test_the_law_knows_up_from_down(module: str, name: str, expected: bool) -> None:
    assert allowed(STATIC / module, name) is expected


def test_no_module_imports_itself_around_a_circle() -> None:
    graph = {
        module: {(module.parent / name).resolve() for name in imports(module) if name not in TYPES}
        for module in MODULES
    }
    while graph:
        leaves = {module for module, targets in graph.items() if not targets & graph.keys()}
        assert leaves, f"these import each other: {sorted(path.name for path in graph)}"
        graph = {module: targets for module, targets in graph.items() if module not in leaves}


def test_every_folder_has_a_level_and_few_files() -> None:
    assert {path.parent.name for path in MODULES} == LEVELS.keys()
    for folder in LEVELS:
        assert len(list((STATIC / folder).iterdir())) <= 14


def test_the_types_are_those_of_the_wire_and_the_api() -> None:
    assert FILE.read_text() == declarations(), "run: make docs"
