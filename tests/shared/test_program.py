from __future__ import annotations

import sys

import pytest

from shared.errors import ConfigError
from shared.program import called, need


@pytest.mark.parametrize(
    ("first", "name"),
    [
        ("/home/me/.local/bin/darner-edge", "darner-edge"),
        (r"darner-edge.exe", "darner-edge"),
        ("/src/edge_node/__main__.py", "python -m edge_node"),
        ("/usr/bin/pytest", "python -m edge_node"),
    ],
)
def test_a_program_is_named_as_it_was_called(monkeypatch: pytest.MonkeyPatch, first: str, name: str) -> None:
    monkeypatch.setattr(sys, "argv", [first])
    assert called("darner-edge", "edge_node") == name


def test_a_missing_package_is_named_with_what_installs_it() -> None:
    need("json", extra="optimize")
    with pytest.raises(ConfigError, match=r"needs no_such_package: install 'darner\[optimize\]'"):
        need("json", "no_such_package", extra="optimize")
