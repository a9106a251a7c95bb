"""Files and functions stay short enough to be read at one go.

The house style says about 300 lines and about 40; here is where "about" ends. A table lists what is longer,
with the length that it may have, so that it does not grow. Take a row away when you have cut what it names.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
PROGRAMS = ("shared", "edge_node", "viewer_server", "broker", "optimization")

FILE_LINES = 320
FUNCTION_LINES = 50
"""Without the docstring."""

LONG_FILES = {
    "edge_node/backends/cuda/nms.cu": 330,
}
LONG_FUNCTIONS = {
    # Those that build the parts of a program and hand them to each other.
    "broker/__main__.py:main": 60,
    "edge_node/__main__.py:main": 60,
    "edge_node/parts.py:__enter__": 60,
    "edge_node/flow/pipeline.py:__init__": 70,
    "viewer_server/app.py:create_app": 70,
    "viewer_server/archive/__main__.py:main": 60,
    # Tables written as calls.
    "edge_node/publish/homeassistant/node.py:node_device": 60,
    "optimization/build_options.py:declare": 80,
    "optimization/commands/learning/adapt.py:declare": 80,
    "optimization/commands/learning/nightly.py:declare": 60,
    "optimization/commands/learning/train.py:declare": 60,
    "viewer_server/live/metrics.py:collect": 60,
    "viewer_server/pages.py:blueprint": 60,
    # One step after the other.
    "edge_node/batch/process.py:_process": 60,
    "optimization/commands/quantize.py:run": 60,
    "optimization/measure/layers/tensorrt.py:tensorrt": 60,
    "optimization/training/adapt.py:adapt": 70,
}


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function of a file, as ``file:name``, and its lines without the docstring."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first, end = node.body[0], node.end_lineno
            assert end is not None and first.end_lineno is not None
            said = first.end_lineno - first.lineno + 1 if ast.get_docstring(node) is not None else 0
            yield f"{path.relative_to(REPO)}:{node.name}", end - node.lineno + 1 - said


def too_long(lengths: Iterator[tuple[str, int]], most: int, rows: dict[str, int]) -> list[str]:
    """What is longer than it may be, and the rows of the table that are not needed any more."""
    found: dict[str, int] = {}
    for name, lines in lengths:  # a file may have several functions of one name
        found[name] = max(lines, found.get(name, 0))
    long = [
        f"{name}: {lines} lines, at most {rows.get(name, most)}"
        for name, lines in found.items()
        if lines > rows.get(name, most)
    ]
    return long + [f"{name}: needs no row any more" for name in rows if found.get(name, 0) <= most]


def test_no_file_is_longer_than_it_may_be() -> None:
    files = (path for top in PROGRAMS for path in sorted((REPO / top).rglob("*")))
    code = (path for path in files if path.suffix in {".py", ".js", ".css", ".cu"})
    lengths = ((str(path.relative_to(REPO)), len(path.read_text().splitlines())) for path in code)
    assert too_long(lengths, FILE_LINES, LONG_FILES) == []


def test_no_function_is_longer_than_it_may_be() -> None:
    files = (path for top in PROGRAMS for path in sorted((REPO / top).rglob("*.py")))
    lengths = (one for path in files for one in functions(path))
    assert too_long(lengths, FUNCTION_LINES, LONG_FUNCTIONS) == []
