"""engine.py and scratch.py use what their docstrings list, and the newest interface has it."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import ModuleType

import pytest

from edge_node.backends.tensorrt import engine, scratch

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


def listed(module: ModuleType, *, newest: bool = False) -> dict[str, set[str]]:
    """The names that the docstring lists; with `newest`, without those that only 8.6 has."""
    text = re.sub(r"\n {8}", " ", module.__doc__ or "")
    found: dict[str, set[str]] = {}
    for name, versions, words in re.findall(r"^    (\w+)(?: \((.+)\))?: (.+)$", text, re.MULTILINE):
        if not newest or versions != "8.6":
            found.setdefault(name, set()).update(word.strip() for word in words.split(","))
    return found


@pytest.mark.parametrize("module", FILES)
def test_the_docstring_lists_every_call(module: ModuleType) -> None:
    assert used(module) == listed(module)


@pytest.mark.parametrize("module", FILES)
def test_every_call_exists_in_the_newest_interface(module: ModuleType) -> None:
    trt = pytest.importorskip(
        "tensorrt_rtx_bindings", reason="needs tensorrt-rtx-cu13-libs and -bindings (Linux, x86-64)"
    )
    for name, attributes in listed(module, newest=True).items():
        owner = trt if CLASSES[name] is None else getattr(trt, CLASSES[name] or "")
        assert [attribute for attribute in attributes if not hasattr(owner, attribute)] == []


def test_nothing_that_newer_versions_dropped_is_used() -> None:
    text = Path(engine.__file__).read_text()
    # Removed in 10: everything by binding index. Removed in 11: device memory sizes (scratch.py asks 8.6).
    for gone in ("binding", "execute_async_v2", "max_batch_size", "device_memory_size", "get_location"):
        assert gone not in text
