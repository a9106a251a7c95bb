"""engine.py uses what its docstring lists, and all of that exists in the newest interface."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from edge_node.backends.tensorrt import engine

CLASSES = {"trt": None, "runtime": "Runtime", "engine": "ICudaEngine", "context": "IExecutionContext"}


def used() -> dict[str, set[str]]:
    """Attributes read on variables of these names, with or without a leading underscore or `self.`."""
    found: dict[str, set[str]] = {name: set() for name in CLASSES}
    for node in ast.walk(ast.parse(Path(engine.__file__).read_text())):
        if isinstance(node, ast.Attribute):
            owner = node.value
            name = (
                owner.id
                if isinstance(owner, ast.Name)
                else owner.attr
                if isinstance(owner, ast.Attribute)
                else ""
            )
            if name.lstrip("_") in found:
                found[name.lstrip("_")].add(node.attr)
    return found


def listed() -> dict[str, set[str]]:
    text = re.sub(r"\n {8}", " ", engine.__doc__ or "")
    rows = re.findall(r"^    (\w+): (.+)$", text, re.MULTILINE)
    return {name: {word.strip() for word in words.split(",")} for name, words in rows}


def test_the_docstring_lists_every_call() -> None:
    assert used() == listed()


def test_every_call_exists_in_the_newest_interface() -> None:
    trt = pytest.importorskip(
        "tensorrt_rtx_bindings", reason="needs tensorrt-rtx-cu13-libs and -bindings (Linux, x86-64)"
    )
    for name, attributes in listed().items():
        owner = trt if CLASSES[name] is None else getattr(trt, CLASSES[name] or "")
        assert [attribute for attribute in attributes if not hasattr(owner, attribute)] == []


def test_nothing_that_newer_versions_dropped_is_used() -> None:
    text = Path(engine.__file__).read_text()
    # Removed in 10: everything by binding index. Removed in 11: device memory sizes.
    for gone in ("binding", "execute_async_v2", "max_batch_size", "device_memory_size", "get_location"):
        assert gone not in text
