"""Packages that only some commands need, asked for by name when they are missing."""

from __future__ import annotations

import importlib.util

from shared.errors import ConfigError


def need(*modules: str, extra: str = "optimize") -> None:
    """Refuse in one sentence what could only fail later with a traceback.

    Args:
        modules: Importable names.
        extra: The extra of this project that brings them.

    Raises:
        ConfigError: One is not installed; the text says how to get it.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"this command needs {' and '.join(missing)}: pip install 'darner[{extra}]'")
