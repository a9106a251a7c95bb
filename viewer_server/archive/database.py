"""Connections to PostgreSQL, the tables there, and what is wrong with them in words."""

from __future__ import annotations

import functools
import os
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import conninfo, sql

from shared.configuration.secret_file import read_secret
from shared.errors import ConfigError, first_line
from shared.secrets import known
from shared.secrets.redact import keep_address
from viewer_server.archive.config import DatabaseSettings

VERSION = 1
OLDEST_SERVER = 120_000
"""PostgreSQL 12, as libpq counts."""
CONNECT_S = 5
SCHEMA_SQL = Path(__file__).parent / "sql" / "schema.sql"

Connection = psycopg.Connection[tuple[object, ...]]

_HOPELESS = {
    "password authentication failed": "check the user and the password in database.url_file or PGPASSFILE",
    "no password supplied": "put a password into database.url_file or PGPASSFILE",
    "no pg_hba.conf entry": "let this user and this host in, in the server's pg_hba.conf",
    "authentication failed": "check the user, and the server's pg_hba.conf",
    "does not exist": "create it first: createuser, createdb -E UTF8",
    "is not permitted to log in": "let it: ALTER ROLE ... LOGIN",
    "permission denied for database": "grant it: GRANT CONNECT ON DATABASE ... TO ...",
    "certificate verify failed": "name the server's authority: sslrootcert=FILE in database.url",
    "server does not support SSL": "set sslmode in database.url to what the server has",
    "definition of service": "check the service's name and PGSERVICEFILE",
}
"""What a server says at the first connection that waiting does not cure, and the cure."""


@dataclass(frozen=True)
class Place:
    """Where an archive is.

    Attributes:
        words: How libpq reaches the database; it may hold a password.
        schema: PostgreSQL's schema of the tables.
        shown: The database, for people.
    """

    words: str
    schema: str
    shown: str


def place(settings: DatabaseSettings) -> Place:
    """Where the archive is, by its settings.

    Raises:
        ConfigError: The address cannot be read, or is given twice.
    """
    if settings.url is not None and settings.url_file is not None:
        raise ConfigError("database.url and database.url_file are both set: leave out one of them")
    words = settings.url or ""
    if settings.url_file is not None:
        words = read_secret("database.url_file", settings.url_file)
    try:
        said = conninfo.conninfo_to_dict(words)
    except psycopg.ProgrammingError:
        raise ConfigError(
            "database.url: expected postgresql://HOST:PORT/DATABASE or libpq's words, such as "
            "host=HOST dbname=DATABASE"
        ) from None
    if said.get("password"):  # an address without one holds no secret
        known.keep(str(said["password"]))
        keep_address(words)
    return Place(words, settings.schema, _shown(said))


def holds_password(words: str) -> bool:
    """Whether an address holds a password."""
    try:
        return bool(conninfo.conninfo_to_dict(words).get("password"))
    except psycopg.ProgrammingError:
        return False


def _shown(said: Mapping[str, object]) -> str:
    if "service" in said:
        return f"database of the service {str(said['service'])!r}"
    name = said.get("dbname") or os.environ.get("PGDATABASE")
    where = said.get("host") or os.environ.get("PGHOST") or "this machine's socket"
    port = said.get("port") or os.environ.get("PGPORT")
    return f"database{f' {name!r}' if name else ''} at {where}{f':{port}' if port else ''}"


def connect(at: Place) -> Connection:
    """A connection in autocommit mode, whose commits survive a crash of the server.

    Raises:
        psycopg.Error: There is none to be had.
    """
    db = psycopg.connect(
        at.words,
        autocommit=True,
        connect_timeout=CONNECT_S,
        application_name="darner-archive",
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        tcp_user_timeout=15_000,
    )
    try:
        db.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(at.schema)))
        db.execute("SET client_encoding TO 'UTF8'; SET TIME ZONE 'UTC'")
        # What is acknowledged must be on disk, whatever the database's default is.
        db.execute(
            """SELECT set_config('synchronous_commit', 'on', false)
               WHERE current_setting('synchronous_commit') IN ('off', 'local')"""
        )
        # A worker whose machine has vanished must not lead for hours.
        db.execute(
            "SET tcp_keepalives_idle TO 10; SET tcp_keepalives_interval TO 5; SET tcp_keepalives_count TO 3"
        )
    except BaseException:
        db.close()
        raise
    return db


def prepare(at: Place) -> str:
    """Make sure of the tables; the archive's name.

    Raises:
        ConfigError: Waiting does not cure what is wrong, such as a wrong password or too new a schema.
        psycopg.Error: It may work later.
    """
    try:
        db = connect(at)
    except psycopg.OperationalError as error:
        cure = hopeless(error)
        if cure is None:
            raise
        raise ConfigError(f"{at.shown}: {reason(error)}; {cure}") from None
    with db:
        _check_server(db, at)
        with db.transaction():
            # Of several that start at once, one creates the tables.
            db.execute("SELECT pg_advisory_xact_lock(%s)", (lock_key(at.schema) + 1,))
            found = db.execute("SELECT to_regclass('meta'), to_regclass('events')").fetchone()
            if found == (None, None):
                _create(db, at)
            elif found is None or found[0] is None:
                raise ConfigError(
                    f"{at.shown}: schema {at.schema} has a table 'events' that is not the archive's; choose "
                    "another database.schema"
                )
            return _identify(db, at)


def hopeless(error: psycopg.Error) -> str | None:
    """What to do about a connection that waiting does not make; None where it may."""
    text = str(error)
    return next((cure for said, cure in _HOPELESS.items() if said in text), None)


def reason(error: psycopg.Error) -> str:
    """What the server or libpq says, in one line without where that was."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [first_line(error)]
    chosen = next(
        (line for line in lines if "FATAL" in line), lines[-1] if "attempts" in lines[0] else lines[0]
    )
    return chosen.rpartition("FATAL:")[2].rpartition(" failed: ")[2].strip()[:300]


def meta(db: Connection, key: str) -> str:
    """A value that belongs to the whole archive."""
    row = db.execute("SELECT value FROM meta WHERE key = %s", (key,)).fetchone()
    return str(row[0]) if row else ""


def new_session(db: Connection) -> str:
    """Begin a session, which all workers have in common: nodes then send what may have been lost."""
    session = f"archive-{secrets.token_hex(4)}"
    db.execute(
        "INSERT INTO meta VALUES ('session', %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (session,),
    )
    return session


@functools.cache
def lock_key(schema: str) -> int:
    """The number of the lock of the worker that leads; one more is that of who creates the tables."""
    return zlib.crc32(f"darner {schema}".encode()) << 1


def _check_server(db: Connection, at: Place) -> None:
    if db.info.server_version < OLDEST_SERVER:
        raise ConfigError(f"{at.shown}: PostgreSQL {db.info.server_version // 10_000}; 12 or newer is needed")
    encoding = db.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise ConfigError(
            f"{at.shown}: its encoding is {encoding}, which cannot hold every name; create one with: "
            "createdb -E UTF8 -T template0 NAME"
        )


def _create(db: Connection, at: Place) -> None:
    try:
        db.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(at.schema)))
        db.execute(SCHEMA_SQL.read_bytes())
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidSchemaName):
        raise ConfigError(
            f"{at.shown}: user {db.info.user} may not create tables there; grant it (GRANT CREATE ON "
            f"DATABASE {db.info.dbname} TO {db.info.user}), or let an administrator run: "
            "darner-archive --print-sql | psql"
        ) from None


def _identify(db: Connection, at: Place) -> str:
    try:
        version = meta(db, "version")
        name = meta(db, "archive")
        usable = db.execute(
            """SELECT bool_and(
                   has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')
                   AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE')
               ) AND has_database_privilege(current_database(), 'TEMPORARY')
               FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = to_regnamespace(%s)""",
            (at.schema,),
        ).fetchone()
    except psycopg.errors.InsufficientPrivilege:
        usable, version, name = (False,), "", ""
    if usable != (True,):
        raise ConfigError(
            f"{at.shown}: user {db.info.user} may not use the tables of schema {at.schema}; grant it: GRANT "
            f"SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {at.schema} TO {db.info.user}; GRANT "
            f"TEMPORARY ON DATABASE {db.info.dbname} TO {db.info.user}"
        )
    if not version.isdecimal() or int(version) > VERSION:
        raise ConfigError(
            f"{at.shown}: schema {at.schema} has version {version[:20] or 'none'}, and this archive knows "
            f"version {VERSION}: install a newer Darner, or choose another database.schema"
        )
    if int(version) < VERSION:
        raise ConfigError(
            f"{at.shown}: schema {at.schema} has version {version}, which was never released; choose "
            "another database.schema"
        )
    return name
