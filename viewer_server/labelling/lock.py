"""One process at a time labels a folder: each holds the whole file of annotations in memory."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import IO

from shared.errors import ConfigError
from shared.files import open_lock

LOCK = ".labelling.lock"
"""Holds the id of the process that labels the folder."""
_PID_BYTES = 20


def lock(folder: Path) -> IO[bytes]:
    """A lock on the folder, which ends with the process.

    Raises:
        ConfigError: There is no such folder, it cannot be written to, or another process labels it.
    """
    if not folder.is_dir():
        raise ConfigError(f"label.path {folder}: there is no such folder of pictures")
    try:
        file = open_lock(folder / LOCK)
    except OSError as error:
        raise ConfigError(
            f"label.path {folder}: cannot be written to ({error.strerror}); labels are kept there"
        ) from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        with file:
            holder = file.read(_PID_BYTES).decode(errors="replace")
        which = f"process {holder}" if holder.isdecimal() else "another process"
        raise ConfigError(f"label.path {folder}: {which} labels it; end that one, or use its page") from None
    with suppress(OSError):  # a full disk is for decisions to tell
        file.truncate(0)
        file.write(b"%d" % os.getpid())
    return file
