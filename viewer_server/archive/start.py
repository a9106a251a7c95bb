"""The beginning of a run: the database is there, has the tables, and may be used."""

from __future__ import annotations

import psycopg

from shared.errors import BrokerError, ConfigError
from shared.mqtt.command_line import connected
from shared.signals import stop_on_signals
from viewer_server.archive import processes
from viewer_server.archive.config import ArchiveConfig
from viewer_server.archive.database import SCHEMA_SQL, Place, connect, place, prepare, reason
from viewer_server.archive.troubles import Troubles

AGAIN_S = 2.0


def run(config: ArchiveConfig) -> int:
    """Wait for the database, and store events until a signal arrives; the exit code.

    Raises:
        ConfigError: Waiting does not cure what is wrong with the database.
    """
    at = place(config.database)
    archive = _wait(at)
    return 0 if archive is None else processes.run(config, at, archive)


def check(config: ArchiveConfig) -> int:
    """Print what was found of database and broker, and return the exit code.

    Raises:
        ConfigError: The database cannot be used.
        BrokerError: The broker cannot be used.
    """
    at = place(config.database)
    try:
        archive = prepare(at)
        with connect(at) as db:
            held = db.execute("SELECT count(*), coalesce(sum(events), 0) FROM stored_per_node").fetchone()
            kind = db.info.parameter_status("server_version")
            durable = db.execute("SHOW fsync").fetchone()
    except psycopg.Error as error:
        raise ConfigError(f"{at.shown}: {reason(error)}; is it running there (database.url)?") from None
    nodes, events = held or (0, 0)
    print(
        f"{at.shown}: PostgreSQL {kind}, schema {at.schema}, archive {archive}: {events} events of "
        f"{nodes} nodes"
    )
    if durable == ("off",):
        print("its setting fsync is off: a crash of the server loses events that were acknowledged")
    try:
        with connected(config.mqtt, "darner-archive-check") as client:
            shares = "has" if client.shares else "has no"
    except BrokerError as error:
        raise BrokerError(f"broker: {error}") from None
    print(f"broker: answers, and {shares} shared subscriptions")
    return 0


def sql(schema: str) -> str:
    """What an administrator runs where the archive may not create tables."""
    return (
        f"begin;\ncreate schema if not exists {schema};\nset local search_path to {schema};\n\n"
        f"{SCHEMA_SQL.read_text()}\ncommit;\n"
    )


def _wait(at: Place) -> str | None:
    """The archive's name, as soon as the database answers; None if a signal comes first."""
    troubles = Troubles(at)
    with stop_on_signals() as stop:
        while not stop.is_set():
            try:
                archive = prepare(at)
            except psycopg.Error as error:
                troubles.say("start", error)
                stop.wait(AGAIN_S)
            else:
                troubles.over("start")
                return archive
    return None
