"""SQLite databases that survive power cuts, and what becomes of one that is damaged all the same."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from shared.files import create_private, make_private, private_folder
from shared.storage.folder import state_folder

log = logging.getLogger("darner.storage")

Migrate = Callable[[sqlite3.Connection, int], None]
"""Converts the tables of an older version; it runs before the schema's SQL, in the same transaction."""


def open_database(
    path: Path, schema: str, version: int, *, migrate: Migrate | None = None, exclusive: bool = True
) -> sqlite3.Connection:
    """Open a database for this process alone; what is committed to it survives a power cut.

    A file that is damaged or of another version is renamed, with the time in its new name, and a new file is
    created. A torn write-ahead log is no damage: SQLite recovers what was committed.

    Only the owner may read it: it says who was where.

    Args:
        path: The file; a missing folder is created.
        schema: SQL that creates what is missing.
        version: The schema's version.
        migrate: Converts older versions; without it, files of older versions are set aside.
        exclusive: False lets other connections read; the caller then keeps other writers away.

    Raises:
        OSError: The folder cannot be made, or a damaged file cannot be renamed.
        sqlite3.OperationalError: The file cannot be opened or written, or another process has it open.
    """
    private_folder(path.parent)
    if path.parent == state_folder():  # another folder may hold what is not ours
        make_private(path.parent)
    for file in _files(path):
        make_private(file)
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
    create_private(path)  # SQLite gives its other files the same permissions
    # The caller begins and commits transactions, and makes threads take turns.
    connection = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
    try:
        # Exclusive: two processes with one file would send and delete each other's rows. It also needs no
        # shared-memory file.
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


def _files(path: Path) -> list[Path]:
    """A database's file, its write-ahead log and its shared memory."""
    return [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm")]


def _set_aside(path: Path, reason: str) -> None:
    aside = path.with_name(
        f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}-{time.time_ns() % 10**6:06}"
    )
    path.rename(aside)
    for beside in _files(path)[1:]:
        if beside.exists():
            beside.rename(aside.with_name(aside.name + beside.name[len(path.name) :]))
    log.error("%s is damaged (%s): renamed to %s; a new file is created", path, reason, aside.name)
