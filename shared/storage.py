"""Files that survive a power cut: whole files that appear only when complete, and SQLite databases."""

from __future__ import annotations

import errno
import logging
import os
import secrets
import sqlite3
import stat
import time
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger("darner.storage")


def state_folder() -> Path:
    """Where a process keeps what must survive it: ``$DARNER_STATE``, else the user's state folder."""
    chosen = os.environ.get("DARNER_STATE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_STATE_HOME")
    try:
        return Path(base or Path("~/.local/state").expanduser()) / "darner"
    except RuntimeError:  # a user without a home
        return Path("/var/lib/darner")


def write_whole(path: Path, data: bytes, mode: int | None = None) -> None:
    """Write a file in one step: after a crash, `path` has either its old content or all of the new.

    Args:
        path: The file to create or replace; missing parent folders are created.
        data: The file's content.
        mode: The file's permissions; see `PartFile`.

    Raises:
        OSError: The file cannot be written; what was at `path` is untouched.
    """
    with PartFile(path, mode) as part:
        part.path.write_bytes(data)
        part.keep()


class PartFile:
    """A file that is written under a temporary name beside its place, and gets its own name when complete.

    Leaving the `with` block without a call of `keep` deletes it.

    Args:
        target: The file to create or replace; missing parent folders are created.
        mode: The file's permissions. None keeps those of the file it replaces; a new file gets the process's
            default.

    Attributes:
        path: The temporary file: empty at first, with the extension of `target`. It can be reopened by name.

    Raises:
        OSError: The folder or the temporary file cannot be created.
    """

    def __init__(self, target: Path, mode: int | None = None) -> None:
        self._target = target
        self._mode = mode
        self.path = target.with_name(f".{target.stem[:200]}.{secrets.token_hex(4)}.part{target.suffix}")

    def __enter__(self) -> PartFile:
        self._target.parent.mkdir(parents=True, exist_ok=True)
        if self._mode is None and self._target.exists():
            self._mode = stat.S_IMODE(self._target.stat().st_mode)
        mode = 0o666 if self._mode is None else self._mode | stat.S_IRUSR | stat.S_IWUSR
        os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
        return self

    def __exit__(self, *_: object) -> None:
        self.path.unlink(missing_ok=True)

    def keep(self) -> None:
        """Move the file to its place, once its content is on disk.

        Raises:
            OSError: The disk does not take the content, or `target` cannot be replaced.
        """
        _sync(self.path)
        if self._mode is not None:
            self.path.chmod(self._mode)
        self.path.replace(self._target)
        try:
            _sync(self._target.parent)
        except OSError as error:
            # Some network file systems cannot sync a folder; the file is in its place all the same.
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EACCES):
                raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


Migrate = Callable[[sqlite3.Connection, int], None]
"""Brings tables of an older version here, before the schema's text runs; in the same transaction."""


def open_database(
    path: Path, schema: str, version: int, *, migrate: Migrate | None = None, exclusive: bool = True
) -> sqlite3.Connection:
    """Open a database for this process alone; what is committed to it survives a power cut.

    A file that is damaged, or of another version, is set aside under a name with the time; a new one begins.
    A torn write-ahead log is no damage: SQLite takes from it what was committed.

    Args:
        path: Of the file; its folder is made.
        schema: SQL that creates what is missing.
        version: Of the schema.
        migrate: Takes older versions along; without it they are set aside.
        exclusive: False lets other connections read; then it is the caller who keeps other writers away.

    Raises:
        OSError: The folder cannot be made, or a damaged file cannot be renamed.
        sqlite3.OperationalError: The file cannot be opened or written, or another process has it open.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _open(path, schema, version, migrate, exclusive)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        _set_aside(path, str(error))
        return _open(path, schema, version, migrate, exclusive)


def _open(
    path: Path, schema: str, version: int, migrate: Migrate | None, exclusive: bool
) -> sqlite3.Connection:
    # A transaction is what the caller says it is; threads take turns by the caller's care.
    connection = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
    try:
        # Exclusive: two processes of one name would send and delete each other's; and no shared-memory file.
        if exclusive:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 4194304")
        [(found,)] = connection.execute("PRAGMA quick_check(1)").fetchall()
        if found != "ok":
            raise sqlite3.DatabaseError(str(found))
        [(there,)] = connection.execute("PRAGMA user_version").fetchall()
        if there > version or (0 < there < version and migrate is None):
            raise sqlite3.DatabaseError(f"written by another version ({there}, this is {version})")
        connection.execute("BEGIN IMMEDIATE")
        if migrate is not None and 0 < there < version:
            migrate(connection, there)
        for statement in schema.split(";"):  # not executescript(), which would commit first
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _set_aside(path: Path, reason: str) -> None:
    aside = path.with_name(
        f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}-{time.time_ns() % 10**6:06}"
    )
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            beside.rename(aside.with_name(aside.name + suffix))
    log.error("%s is damaged (%s): set aside as %s, and a new one begun", path, reason, aside.name)
