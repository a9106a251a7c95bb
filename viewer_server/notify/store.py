"""The file of alerts: what they say, their pictures, and what became of each at each target.

One connection writes, and its users take turns; REST's readers have connections of their own.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import msgspec

from shared import typed
from shared.storage.database import open_database
from viewer_server.notify.alert import RANKS, KeptAlert
from viewer_server.stored.files import used_bytes
from viewer_server.targets import NotifySettings

log = logging.getLogger("darner.notify")

VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS alerts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL UNIQUE, node TEXT NOT NULL, camera TEXT,
    rule TEXT NOT NULL, severity INTEGER NOT NULL, occurred_us INTEGER NOT NULL, stored_us INTEGER NOT NULL,
    payload BLOB NOT NULL, jpeg BLOB
);
CREATE INDEX IF NOT EXISTS alerts_by_time ON alerts (occurred_us, id);
CREATE INDEX IF NOT EXISTS alerts_by_node ON alerts (node, occurred_us, id);
CREATE TABLE IF NOT EXISTS deliveries (
    alert INTEGER NOT NULL, target TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL,
    first_us INTEGER, last_us INTEGER, due_us INTEGER, head INTEGER, detail TEXT NOT NULL,
    PRIMARY KEY (alert, target)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS deliveries_by_state ON deliveries (target, state, alert);
CREATE TABLE IF NOT EXISTS given_up (target TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outages (
    node TEXT PRIMARY KEY, said_us INTEGER NOT NULL, since_us INTEGER NOT NULL
) WITHOUT ROWID
"""
State = Literal["waiting", "delivered", "dropped", "unknown"]
"""waiting: to be sent; delivered; dropped: given up; unknown: this viewer has no target of that name."""
AT_ONCE = 200
"""Maximum alerts deleted in one transaction."""
BETWEEN_LOOKS = 10
"""Alerts deleted before the file is measured again."""


@dataclass(frozen=True)
class Waiting:
    """A delivery that waits, as it is read at the start.

    Attributes:
        head: The first alert of the message that carries it, if it was put together with others.
    """

    alert: int
    node: str
    rule: str
    attempts: int
    head: int | None


class Outcome(NamedTuple):
    """What became of one attempt, or of somebody's decision."""

    state: State
    at_us: int
    detail: str
    due_us: int | None = None
    attempts: int = 1


class AlertStore:
    """Keeps alerts, bounded by age, number and bytes; `with` opens and closes the file. For any thread.

    Args:
        path: The file.
        settings: The bounds.

    Raises (when it is opened):
        OSError, sqlite3.Error: The file cannot be used.
    """

    def __init__(self, path: Path, settings: NotifySettings) -> None:
        self._path, self._settings = path, settings
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None

    def __enter__(self) -> AlertStore:
        self._db = open_database(self._path, SCHEMA, VERSION, exclusive=False)
        self._db.execute("PRAGMA cache_size = -512")
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction; nothing of it remains after an error."""
        with self._lock:
            if self._db is None:
                raise sqlite3.OperationalError("the file of alerts is closed")
            db = self._db
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def add(
        self,
        found: Iterable[tuple[KeptAlert, Sequence[tuple[str, State]]]],
        now_us: int,
        jpegs: Mapping[int, bytes] = MappingProxyType({}),
    ) -> list[int]:
        """Keep alerts, with the targets of each and the state in which each begins; all of them or none.

        Args:
            found: The alerts.
            now_us: When they are stored, microseconds UTC.
            jpegs: Their pictures, by index, as far as they are there.

        Returns:
            The number of each; 0 for one that was there before.
        """
        numbers = []
        with self._writing() as db:
            for index, (alert, targets) in enumerate(found):
                row = (alert.event_id, alert.node, alert.camera, alert.rule, RANKS[alert.severity])
                cursor = db.execute(
                    "INSERT OR IGNORE INTO alerts VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (*row, alert.occurred_us, now_us, msgspec.json.encode(alert), jpegs.get(index)),
                )
                number = cursor.lastrowid if cursor.rowcount == 1 else 0
                numbers.append(number or 0)
                if not number:
                    continue
                db.executemany(
                    "INSERT INTO deliveries VALUES (?, ?, ?, 0, NULL, NULL, ?, NULL, '')",
                    [
                        (number, name, state, now_us if state == "waiting" else None)
                        for name, state in targets
                    ],
                )
        return numbers

    def waiting(self, target: str) -> list[Waiting]:
        """What waits for a target, oldest first."""
        sql = """SELECT d.alert, a.node, a.rule, d.attempts, d.head FROM deliveries d JOIN alerts a
                 ON a.id = d.alert WHERE d.target = ? AND d.state = 'waiting' ORDER BY d.alert"""
        return [Waiting(*row) for row in self._read(sql, (target,))]

    def without_picture(self, since_us: int) -> list[tuple[int, KeptAlert, int]]:
        """Number, alert and time of storing of those that were stored since then and have no picture."""
        sql = "SELECT id, payload, stored_us FROM alerts WHERE stored_us >= ? AND jpeg IS NULL ORDER BY id"
        found = ((row[0], typed.decode(row[1], KeptAlert), row[2]) for row in self._read(sql, (since_us,)))
        return [one for one in found if one[1].picture is not None]

    def load(self, numbers: Sequence[int]) -> list[tuple[int, KeptAlert]]:
        """Alerts by their numbers; those that are no more are left out."""
        sql = "SELECT id, payload FROM alerts WHERE id = ?"
        rows = [row for number in numbers for row in self._read(sql, (number,))]
        return [(row[0], typed.decode(row[1], KeptAlert)) for row in rows]

    def picture(self, number: int) -> bytes | None:
        """The picture of an alert, JPEG."""
        for row in self._read("SELECT jpeg FROM alerts WHERE id = ?", (number,)):
            return bytes(row[0]) if row[0] is not None else None
        return None

    def add_pictures(self, jpegs: Mapping[int, bytes]) -> None:
        """Keep pictures of alerts, by the alerts' numbers."""
        if not jpegs:
            return
        with self._writing() as db:
            rows = [(jpeg, number) for number, jpeg in jpegs.items()]
            db.executemany("UPDATE alerts SET jpeg = ? WHERE id = ?", rows)

    def put_together(self, target: str, head: int, members: Sequence[int]) -> None:
        """Note which alerts go in one message, before it is sent: it is the same at every attempt."""
        with self._writing() as db:
            db.executemany(
                "UPDATE deliveries SET head = ? WHERE alert = ? AND target = ?",
                [(head, member, target) for member in members],
            )

    def note(self, target: str, members: Sequence[int], outcome: Outcome) -> None:
        """Note what became of the deliveries of some alerts; a failed attempt does not undo a decision."""
        sql = """UPDATE deliveries SET state = :state, attempts = attempts + :attempts, detail = :detail,
                 first_us = CASE WHEN :attempts THEN coalesce(first_us, :at) ELSE first_us END,
                 last_us = CASE WHEN :attempts THEN :at ELSE last_us END, due_us = :due
                 WHERE alert = :alert AND target = :target
                 AND (:state != 'waiting' OR :attempts = 0 OR state = 'waiting')"""
        values = {
            "state": outcome.state,
            "attempts": outcome.attempts,
            "detail": outcome.detail,
            "at": outcome.at_us,
            "due": outcome.due_us,
            "target": target,
        }
        with self._writing() as db:
            db.executemany(sql, [{**values, "alert": member} for member in members])

    def undelivered(
        self, states: Sequence[State], *, alert: int | None = None, target: str | None = None
    ) -> dict[str, list[int]]:
        """The alerts in these states at each target, of one alert or one target; oldest first."""
        where, values = [f"state IN ({', '.join('?' * len(states))})"], list[object](states)
        for column, value in (("alert", alert), ("target", target)):
            if value is not None:
                where.append(f"{column} = ?")
                values.append(value)
        sql = f"SELECT target, alert FROM deliveries WHERE {' AND '.join(where)} ORDER BY alert"  # noqa: S608 - ours
        found: dict[str, list[int]] = {}
        for name, number in self._read(sql, values):
            found.setdefault(name, []).append(number)
        return found

    def given_up(self) -> dict[str, int]:
        """How many waiting deliveries of each target were deleted with their alerts."""
        return dict(self._read("SELECT target, count FROM given_up"))

    def outage(self, node: str, said_us: int, since_us: int) -> int:
        """Since when a node is offline: since then, unless this outage was noted before.

        Args:
            node: The node.
            said_us: When the message "offline" was made, which tells outages apart.
            since_us: Now.
        """
        with self._writing() as db:
            row = db.execute("SELECT since_us FROM outages WHERE node = ? AND said_us = ?", (node, said_us))
            found = row.fetchone()
            if found is not None:
                return int(found[0])
            db.execute("INSERT OR REPLACE INTO outages VALUES (?, ?, ?)", (node, said_us, since_us))
        return since_us

    def end_outage(self, node: str) -> None:
        """Note that a node is back."""
        with self._writing() as db:
            db.execute("DELETE FROM outages WHERE node = ?", (node,))

    def prune(self, now_us: int) -> list[int]:
        """Delete a part of what is too old or too much; the numbers of the alerts that are no more."""
        born_us = now_us - int(self._settings.keep_days * 86_400e6)
        gone = [
            row[0]
            for row in self._read("SELECT id FROM alerts WHERE stored_us < ? LIMIT ?", (born_us, AT_ONCE))
        ]
        if not gone:
            [(count,)] = self._read("SELECT count(*) FROM alerts")
            with self._lock:
                used = used_bytes(self._db) if self._db is not None else 0
            if count > self._settings.max_alerts or used > self._settings.max_mb * 1e6:
                most = min(AT_ONCE, max(count - self._settings.max_alerts, BETWEEN_LOOKS))
                sql = """SELECT id FROM alerts WHERE node =
                         (SELECT node FROM alerts GROUP BY node ORDER BY count(*) DESC LIMIT 1)
                         ORDER BY id LIMIT ?"""
                gone = [row[0] for row in self._read(sql, (most,))]
        if gone:
            self._delete(gone)
        return gone

    def _delete(self, numbers: Sequence[int]) -> None:
        with self._writing() as db:
            for number in numbers:
                sql = "SELECT target FROM deliveries WHERE alert = ? AND state = 'waiting'"
                for (target,) in db.execute(sql, (number,)).fetchall():
                    db.execute(
                        "INSERT INTO given_up VALUES (?, 1) ON CONFLICT DO UPDATE SET count = count + 1",
                        (target,),
                    )
                db.execute("DELETE FROM deliveries WHERE alert = ?", (number,))
                db.execute("DELETE FROM alerts WHERE id = ?", (number,))

    def _read(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        with self._lock:
            if self._db is None:
                raise sqlite3.OperationalError("the file of alerts is closed")
            return self._db.execute(sql, values).fetchall()
