"""Writes batches of events: each in one transaction, and each event once, however often it comes."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psycopg

from shared.errors import first_line
from shared.log import Once
from viewer_server.archive.database import Connection
from viewer_server.archive.rows import Key, Row, arrivals, pack

log = logging.getLogger("darner.archive")

NOT_TAKEN = ("22", "23", "54", "P0")
"""Classes of errors that lie in an event, not in the database: its data, a constraint, a limit, a trigger."""
REFUSED_BYTES = 10_000

_SQL = Path(__file__).parent / "sql"
_INCOMING = """
CREATE TEMPORARY TABLE IF NOT EXISTS incoming (
    node text COLLATE "C", boot text COLLATE "C", number bigint, occurred_us bigint, corrected boolean,
    event jsonb
) ON COMMIT DELETE ROWS
"""
_COPY = "COPY incoming (node, boot, number, occurred_us, corrected, event) FROM STDIN"
_STORE = (_SQL / "store.sql").read_bytes()
_ROOM = """
INSERT INTO nodes (node)
SELECT wanted FROM unnest(%s::text[]) wanted WHERE NOT EXISTS (SELECT FROM nodes WHERE node = wanted)
LIMIT greatest(0, %s - (SELECT count(*) FROM nodes))
ON CONFLICT DO NOTHING
"""


@dataclass
class Counts:
    """What became of the events that arrived.

    Attributes:
        stored: New ones.
        repeated: Those that were stored before, or were deleted because of their age.
        refused: Those that the database did not take.
        no_room: Those of nodes for which there is no room.
        batches: Transactions.
    """

    stored: int = 0
    repeated: int = 0
    refused: int = 0
    no_room: int = 0
    batches: int = 0


class Store:
    """Writes to one database; for one thread.

    Args:
        nodes: The most nodes there may be.

    Attributes:
        counts: What became of all events.
    """

    def __init__(self, nodes: int) -> None:
        self._most = nodes
        self._known: set[str] = set()
        self._once = Once()
        self.counts = Counts()

    def open(self, db: Connection) -> None:
        """Prepare a new connection."""
        db.execute(_INCOMING)
        self.look_again(db)

    def look_again(self, db: Connection) -> None:
        """Ask again which nodes there is room for: some have given way, and others have come."""
        self._known = {str(node) for (node,) in db.execute("SELECT node FROM nodes")}

    def write(self, db: Connection, rows: list[Row]) -> None:
        """Store rows. When this returns, they are committed, and the worker that leads can see it.

        Raises:
            psycopg.Error: The database does not work now; the same rows may be written again.
        """
        admitted = self._admitted(db, rows)
        self.counts.no_room += len(rows) - len(admitted)
        if admitted:
            self._write(db, admitted)

    def _admitted(self, db: Connection, rows: list[Row]) -> list[Row]:
        unknown = {one.node for one in rows} - self._known
        if unknown:
            db.execute(_ROOM, (sorted(unknown), self._most))
            found = db.execute("SELECT node FROM nodes WHERE node = ANY(%s)", (sorted(unknown),))
            self._known |= {str(node) for (node,) in found}
            left_out = unknown - self._known
            if left_out:
                if self._once("no room"):
                    log.error(
                        "events of %d nodes, such as %s, are not stored: there is room for %d nodes "
                        "(archive.nodes)",
                        len(left_out),
                        min(left_out),
                        self._most,
                    )
                return [one for one in rows if one.node in self._known]
        return rows

    def _write(self, db: Connection, rows: list[Row]) -> None:
        try:
            added = self._transaction(db, rows)
        except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
            added = self._transaction(db, rows)
        except psycopg.Error as error:
            if (error.sqlstate or "")[:2] not in NOT_TAKEN:
                raise
            if len(rows) == 1:
                self._refuse(db, rows[0], first_line(error))
                return
            half = len(rows) // 2
            self._write(db, rows[:half])
            self._write(db, rows[half:])
            return
        stored = sum(added.values())
        self.counts.stored += stored
        self.counts.repeated += len(rows) - stored
        self.counts.batches += 1

    def _transaction(self, db: Connection, rows: list[Row]) -> Counter[Key]:
        with db.transaction(), db.cursor() as cursor:
            with cursor.copy(_COPY) as copy:
                copy.write(b"".join([one.line() for one in rows]))
            added: Counter[Key] = Counter()
            for node, boot, count in cursor.execute(_STORE):
                added[str(node), str(boot)] = int(str(count))
            cursor.execute("INSERT INTO arrived (boots) VALUES (%s)", (pack(arrivals(rows, added)),))
        return added

    def _refuse(self, db: Connection, one: Row, why: str) -> None:
        """Keep an event that the database does not take where somebody can look at it."""
        with db.transaction():
            db.execute(
                "INSERT INTO refused (node, boot, number, why, event) VALUES (%s, %s, %s, %s, %s)",
                (one.node, one.boot, one.number, why, one.body[:REFUSED_BYTES]),
            )
            db.execute("INSERT INTO arrived (boots) VALUES (%s)", (pack(arrivals([one], {})),))
        self.counts.refused += 1
        if self._once(f"refused {one.node}"):
            log.error(
                "event %d of %s (boot %s) was not taken by the database: %s; it is in the table refused "
                "(said once for this node)",
                one.number,
                one.node,
                one.boot,
                why,
            )
