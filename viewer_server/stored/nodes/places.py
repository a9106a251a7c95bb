"""Numbers for cameras, zones, lines and sessions, so that rows need not repeat names; bounded for each node.

A node that has more than it may loses its own oldest. The sums of a place that gives way are deleted, and its
events become events of the node alone: found by node, no longer by camera or zone. That takes many rows, so
the place waits in the table `gone`, and each commit does a part.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from viewer_server.quotas import Quotas
from viewer_server.stored.nodes.ledger import Ledger
from viewer_server.stored.nodes.times import HOUR_US, MINUTE_US

_SUMS = (
    ("flow", "minute", "session", MINUTE_US),
    ("stays", "hour", "bin", HOUR_US),
    ("pauses", "began_us", "session", 1),
)
"""The tables of sums: the column of their time, another of their key, and the length of a unit of time."""


class Places:
    """The tables `places` and `sessions`; for the thread that stores events, within its transactions.

    Args:
        db: Open, with the tables of `schema.py`.
        quotas: The limits.
        ledger: Counts the rows of sums of each node; None while an old file is taken along.

    Attributes:
        spans: First and last moment of each session that was heard since the last `flush`.
    """

    def __init__(self, db: sqlite3.Connection, quotas: Quotas, ledger: Ledger | None = None) -> None:
        self._db, self._quotas, self._ledger = db, quotas, ledger
        self._tidied = 0
        self._next = {
            "places": db.execute(
                "SELECT max(coalesce((SELECT max(id) FROM places), 0), "
                "coalesce((SELECT max(place) FROM gone), 0))"
            ).fetchone()[0],
            "sessions": db.execute("SELECT coalesce(max(id), 0) FROM sessions").fetchone()[0],
        }
        self.reset()

    def reset(self) -> None:
        """Forget what is cached: a rolled back transaction may have removed it from the tables."""
        self._places: dict[tuple[str, str, str], int] = {}
        self._sessions: dict[tuple[str, str], int] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self._some_gone = True
        self.spans: dict[int, tuple[int, int]] = {}

    def place(self, node: str, camera: str, zone: str, kind: str) -> int:
        """The number of a zone or line; of a camera where the zone is empty."""
        key = node, camera, zone
        found = self._places.get(key)
        if found is None:
            sql = "SELECT id FROM places WHERE node = ? AND camera = ? AND zone = ?"
            row = self._db.execute(sql, key).fetchone()
            found = int(row[0]) if row else self._new_place(key, kind)
            self._places[key] = found
        return found

    def session(self, node: str, session: str, at_us: int) -> int:
        """The number of a session, which was heard at a moment."""
        key = node, session
        found = self._sessions.get(key)
        if found is None:
            sql = "SELECT id FROM sessions WHERE node = ? AND session = ?"
            row = self._db.execute(sql, key).fetchone()
            found = int(row[0]) if row else self._new_session(key, at_us)
            self._sessions[key] = found
        first, last = self.spans.get(found, (at_us, at_us))
        self.spans[found] = min(first, at_us), max(last, at_us)
        return found

    def flush(self) -> None:
        """Write how long sessions lasted."""
        self._db.executemany(
            "UPDATE sessions SET first_us = min(first_us, ?), last_us = max(last_us, ?) WHERE id = ?",
            ((first, last, session) for session, (first, last) in self.spans.items()),
        )
        self.spans.clear()

    def clear_gone(self, rows: int) -> None:
        """Delete sums of places that gave way, and hand their events to their node: at most so many rows."""
        while self._some_gone and rows > 0:
            gone = self._db.execute(
                "SELECT place, heir, coalesce(node, '') FROM gone LEFT JOIN places ON id = heir LIMIT 1"
            ).fetchone()
            if gone is None:
                self._some_gone = False
                return
            place, heir, node = gone
            done = self._delete_sums(node, place, rows)
            if done < rows:
                done += self._db.execute(
                    "UPDATE events SET place = ? WHERE id IN (SELECT id FROM events WHERE place = ? LIMIT ?)",
                    (heir, place, rows - done),
                ).rowcount
            if done < rows:
                self._db.execute("DELETE FROM standings WHERE place = ?", (place,))
                self._db.execute("DELETE FROM gone WHERE place = ?", (place,))
            rows -= done + 1

    def tidy(self, before_us: int, after_us: int, count: int) -> tuple[bool, bool]:
        """Delete sums of times before and after a range, and places that have nothing left.

        Args:
            before_us: Sums of earlier times have had their time.
            after_us: Sums of later times cannot be: a clock was wrong.
            count: How many places are looked at.

        Returns:
            Whether the last place was looked at (the next call begins with the first one), and whether
            what is cached must be forgotten.
        """
        rows = self._db.execute(
            "SELECT id, node FROM places WHERE id > ? ORDER BY id LIMIT ?", (self._tidied, count)
        ).fetchall()
        for place, node in rows:
            for table, column, _, length_us in _SUMS:
                sql = f"DELETE FROM {table} WHERE place = ? AND {column}"  # noqa: S608 - ours
                deleted = self._db.execute(f"{sql} < ?", (place, before_us // length_us)).rowcount
                deleted += self._db.execute(f"{sql} > ?", (place, after_us // length_us)).rowcount
                self._removed(node, deleted)
            self._db.execute(
                "DELETE FROM standings WHERE place = ? AND session NOT IN (SELECT id FROM sessions)", (place,)
            )
        removed = self._db.executemany(
            """DELETE FROM places WHERE id = ? AND NOT EXISTS (SELECT 1 FROM flow WHERE place = places.id)
               AND NOT EXISTS (SELECT 1 FROM stays WHERE place = places.id)
               AND NOT EXISTS (SELECT 1 FROM pauses WHERE place = places.id)
               AND NOT EXISTS (SELECT 1 FROM events WHERE place = places.id)
               AND NOT EXISTS (SELECT 1 FROM gone WHERE heir = places.id)""",
            [(place,) for place, _ in rows],
        ).rowcount
        complete = len(rows) < count
        self._tidied = 0 if complete else rows[-1][0]
        if complete:
            self._db.execute("DELETE FROM sessions WHERE last_us < ?", (before_us,))
        return complete, complete or removed > 0

    def drop_oldest_sums(self, node: str, rows: int) -> int:
        """Delete a node's oldest sums, at most so many rows; how many they were."""
        oldest = self._db.execute(
            """SELECT id, coalesce((SELECT min(minute) FROM flow WHERE place = p.id),
                                   (SELECT min(hour) * 60 FROM stays WHERE place = p.id),
                                   (SELECT min(began_us) / ? FROM pauses WHERE place = p.id)) AS minute
               FROM places p WHERE node = ? AND minute IS NOT NULL ORDER BY minute LIMIT 1""",
            (MINUTE_US, node),
        ).fetchone()
        return 0 if oldest is None else self._delete_sums(node, oldest[0], rows)

    def _new_place(self, key: tuple[str, str, str], kind: str) -> int:
        allowed = self._quotas.settings.places
        # The node's own place takes the events of those that give way, so it is not one of them.
        if key[1:] != ("", "") and self._count("places", key[0]) >= allowed:
            self._evict_places(key[0], max(1, allowed // 8))
        self._next["places"] += 1
        number = int(self._next["places"])
        before = self._count("places", key[0])
        self._db.execute("INSERT INTO places VALUES (?, ?, ?, ?, ?)", (number, *key, kind))
        self._counts["places", key[0]] = before + 1
        return number

    def _new_session(self, key: tuple[str, str], at_us: int) -> int:
        allowed = self._quotas.settings.sessions
        if self._count("sessions", key[0]) >= allowed:
            self._evict_sessions(key[0], max(1, allowed // 8))
        self._next["sessions"] += 1
        number = int(self._next["sessions"])
        self._db.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?)", (number, *key, at_us, at_us))
        self._counts["sessions", key[0]] += 1
        return number

    def _evict_places(self, node: str, count: int) -> None:
        """Let those places of a node go whose newest event is oldest."""
        rows = self._db.execute(
            """SELECT id, camera, zone FROM places p WHERE node = ? AND (camera != '' OR zone != '')
               ORDER BY coalesce((SELECT max(occurred_us) FROM events WHERE place = p.id), 0), id LIMIT ?""",
            (node, count),
        ).fetchall()
        heir = self.place(node, "", "", "")
        self._db.executemany("INSERT INTO gone VALUES (?, ?)", [(row[0], heir) for row in rows])
        self._some_gone = True
        self._remove("places", [row[0] for row in rows])
        for _, camera, zone in rows:
            self._places.pop((node, camera, zone), None)
        self._counts.pop(("places", node), None)
        self._quotas.hit(node, "places", self._quotas.settings.places, len(rows))

    def _evict_sessions(self, node: str, count: int) -> None:
        """Let those sessions of a node go that were heard of first."""
        sql = "SELECT id, session FROM sessions WHERE node = ? ORDER BY id LIMIT ?"
        rows = self._db.execute(sql, (node, count)).fetchall()
        self._remove("sessions", [row[0] for row in rows])
        for number, session in rows:
            self._sessions.pop((node, session), None)
            self.spans.pop(number, None)
        self._counts.pop(("sessions", node), None)
        self._counts["sessions", node] = self._count("sessions", node)
        self._quotas.hit(node, "sessions", self._quotas.settings.sessions, len(rows))

    def _count(self, table: str, node: str) -> int:
        """How many rows of a table are a node's."""
        found = self._counts.get((table, node))
        if found is None:
            [(found,)] = self._db.execute(f"SELECT count(*) FROM {table} WHERE node = ?", (node,)).fetchall()  # noqa: S608 - ours
            self._counts[table, node] = found
        return found

    def _remove(self, table: str, numbers: Iterable[int]) -> None:
        self._db.executemany(f"DELETE FROM {table} WHERE id = ?", [(number,) for number in numbers])  # noqa: S608 - ours

    def _delete_sums(self, node: str, place: int, rows: int) -> int:
        done = 0
        for table, column, key, _ in _SUMS:
            done += self._db.execute(
                f"""DELETE FROM {table} WHERE place = ? AND ({column}, {key}) IN
                    (SELECT {column}, {key} FROM {table} WHERE place = ? ORDER BY 1, 2 LIMIT ?)""",  # noqa: S608 - ours
                (place, place, max(0, rows - done)),
            ).rowcount
        self._removed(node, done)
        return done

    def _removed(self, node: str, sums: int) -> None:
        if sums and self._ledger is not None:
            self._ledger.change(node, sums=-sums)
