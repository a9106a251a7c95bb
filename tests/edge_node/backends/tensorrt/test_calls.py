"""engine.py and scratch.py use what their docstrings list, and the newest interface has it."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import ModuleType

import pytest

from edge_node.backends.tensorrt import engine, scratch
from tests.edge_node.backends.tensorrt.conftest import MODULES

CLASSES = {"trt": None, "runtime": "Runtime", "engine": "ICudaEngine", "context": "IExecutionContext"}
FILES = [engine, scratch]


def used(module: ModuleType) -> dict[str, set[str]]:
    """Attributes of variables with these names, with or without a leading underscore or `self.`."""
    found: dict[str, set[str]] = {name: set() for name in CLASSES}
    for node in ast.walk(ast.parse(Path(module.__file__ or "").read_text())):
        match node:
            case ast.Attribute(value=owner, attr=attribute):
                pass
            case ast.Call(func=ast.Name(id="hasattr"), args=[owner, ast.Constant(value=attribute)]):
                pass
            case _:
                continue
        name = (
            owner.id
            if isinstance(owner, ast.Name)
            else owner.attr
            if isinstance(owner, ast.Attribute)
            else ""
        )
        if name.lstrip("_") in found:
            found[name.lstrip("_")].add(str(attribute))
    return {name: attributes for name, attributes in found.items() if attributes}


def listed(module: ModuleType, major: int | None = None) -> dict[str, set[str]]:
    """The names that the docstring lists; for one major version, those that it has."""
    text = re.sub(r"\n {8}", " ", module.__doc__ or "")
    found: dict[str, set[str]] = {}
    for name, versions, words in re.findall(r"^    (\w+)(?: \((.+)\))?: (.+)$", text, re.MULTILINE):
        lacks = "newer" in versions if major == 8 else versions == "8.6"
        if major is None or not lacks:
            found.setdefault(name, set()).update(word.strip() for word in words.split(","))
    return found


@pytest.mark.parametrize("module", FILES)
def test_the_docstring_lists_every_call(module: ModuleType) -> None:
    assert used(module) == listed(module)


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("module", FILES)
def test_every_call_exists_where_it_is_said_to(module: ModuleType, name: str) -> None:
    """TensorRT for RTX has the newest interface."""
    trt = pytest.importorskip(name, reason=f"{name} is not installed")
    major = 8 if trt.__version__.startswith("8.") else 10
    for owner, attributes in listed(module, major).items():
        known = trt if CLASSES[owner] is None else getattr(trt, CLASSES[owner] or "")
        assert [attribute for attribute in attributes if not hasattr(known, attribute)] == []


def test_nothing_that_newer_versions_dropped_is_used() -> None:
    text = Path(engine.__file__).read_text()
    # Removed in 10: everything by binding index. Removed in 11: device memory sizes (scratch.py asks 8.6).
    for gone in ("binding", "execute_async_v2", "max_batch_size", "device_memory_size", "get_location"):
        assert gone not in text
