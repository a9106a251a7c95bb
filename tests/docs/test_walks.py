"""The walks through the code name only files and functions that exist, as do the pages' other paths."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.conftest import REPO
from tests.docs.pages import DOCS, pages, prose

WALKS = DOCS / "concepts" / "walks.md"
STEP = re.compile(r"^\| `([\w/]+\.(?:py|js))` \| `([\w.]+)(?:\(\))?` \|", re.MULTILINE)
STEPS = STEP.findall(WALKS.read_text())
TOPS = (
    "edge_node/",
    "viewer_server/",
    "shared/",
    "broker/",
    "optimization/",
    "tests/",
    "docs/",
    "requirements/",
)


def names(file: Path) -> set[str]:
    """The functions, classes and methods of a file; methods as ``Class.method``."""
    text = file.read_text()
    if file.suffix == ".js":
        return set(re.findall(r"\b(?:function|class|const)\s+(\w+)", text))
    found = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)}
    return found


def test_every_row_of_the_walks_is_read_as_a_step() -> None:
    rows = re.findall(r"^\| `", WALKS.read_text(), re.MULTILINE)
    assert len(STEPS) == len(rows)


@pytest.mark.parametrize(("file", "name"), STEPS)
def test_a_step_of_the_walks_names_a_function_of_its_file(file: str, name: str) -> None:
    assert name in names(REPO / file)


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(REPO)))
def test_a_path_that_a_page_names_exists(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        pytest.skip("it names what was, too")
    for code in re.findall(r"`([^`\s]+)`", prose(page)):
        if code.startswith(TOPS) and not set(code) & set("*{}<>()"):
            assert (REPO / code).exists(), code
