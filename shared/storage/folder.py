"""Where the state of a program lies unless its configuration names another place."""

from __future__ import annotations

import os
from pathlib import Path


def state_folder() -> Path:
    """The folder for what must survive a process: ``$DARNER_STATE``, else the user's state folder."""
    chosen = os.environ.get("DARNER_STATE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_STATE_HOME")
    try:
        return Path(base or Path("~/.local/state").expanduser()) / "darner"
    except RuntimeError:  # a user without a home
        return Path("/var/lib/darner")
