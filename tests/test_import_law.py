"""Which room may import which, so that the rooms stay rooms."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
OURS = {"shared", "edge_node", "viewer_server", "broker", "optimization"}
ALLOWED = {
    "shared": {"shared"},
    "edge_node": {"edge_node", "shared"},
    "viewer_server": {"viewer_server", "shared"},
    "broker": {"broker", "shared"},
    "optimization": {"optimization", "edge_node", "shared"},
}
CONFINED = {"paho": {"shared/mqtt/client.py"}, "flask": {"viewer_server"}, "flask_sock": {"viewer_server"}}
CONFINED |= {
    "tensorrt": {"edge_node/backends/tensorrt/module.py"},
    "pycuda": {"edge_node/backends/cuda/device.py"},
}


def imports(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {
        name.split(".")[0]
        for name in plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    }


SOURCES = [path for room in sorted(OURS) for path in sorted((REPO / room).rglob("*.py"))]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPO)))
def test_imports_keep_the_law(path: Path) -> None:
    name = str(path.relative_to(REPO))
    room = name.split("/")[0]
    found = imports(path)
    assert found & OURS <= ALLOWED[room]
    for package, places in CONFINED.items():
        assert package not in found or name in places or room in places, (
            f"{package} does not belong in {name}"
        )
