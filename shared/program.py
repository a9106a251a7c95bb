"""What every command line needs: the name it was called by, and one line about packages that are missing."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from shared.errors import ConfigError


def called(command: str, module: str) -> str:
    """How the user started this program: by its console command or with `python -m`.

    Args:
        command: The console command, such as ``darner-edge``.
        module: The module that `python -m` runs.
    """
    return command if Path(sys.argv[0]).stem == command else f"python -m {module}"


def need(*modules: str, extra: str) -> None:
    """Make sure of optional packages before they are imported, which could only fail with a traceback.

    Args:
        modules: Importable names.
        extra: The extra of this project that installs them.

    Raises:
        ConfigError: One is not installed; the text says what to install.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"this command needs {' and '.join(missing)}: install 'darner[{extra}]'")
