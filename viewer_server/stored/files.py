"""What every database file needs: a lock against a second viewer, and how much of it is in use."""

from __future__ import annotations

import fcntl
import sqlite3
from pathlib import Path
from typing import IO

from shared.files import open_lock, private_folder


def lock(path: Path) -> IO[bytes]:
    """Lock a database against a second viewer; the lock ends when its file is closed, or with the process.

    Raises:
        OSError: Another viewer has the lock, or the lock file cannot be made.
    """
    private_folder(path.parent)
    file = open_lock(path.with_name(f"{path.name}.lock"))
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise OSError("another viewer has it open") from None
    return file


def used_bytes(db: sqlite3.Connection) -> int:
    """Bytes of a database's content, without the pages that are free to be used again."""
    [(pages,)], [(free,)], [(size,)] = (
        db.execute(f"PRAGMA {name}").fetchall() for name in ("page_count", "freelist_count", "page_size")
    )
    return int(pages - free) * int(size)
