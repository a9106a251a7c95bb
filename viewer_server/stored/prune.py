"""Deletes what is too old or too much, a part with each commit, so that no commit takes long.

What is too much goes from the node that has the most: what one node sends never deletes what another has,
as long as that has less.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable

from viewer_server.config import HistorySettings
from viewer_server.quotas import Quotas
from viewer_server.stored import files
from viewer_server.stored.nodes.boots import Boots
from viewer_server.stored.nodes.ledger import EVENT_BYTES, SUM_BYTES, Ledger
from viewer_server.stored.nodes.places import Places
from viewer_server.stored.nodes.times import EARLIEST_US, FAR_AHEAD_US
from viewer_server.stored.rollup import Rollup

EVERY_S = 60.0
AT_ONCE = 500
"""Maximum rows deleted with one commit."""
BETWEEN_LOOKS = 100
"""Rows deleted before the file is measured again."""
BOOTS_AT_ONCE = 64
PLACES_AT_ONCE = 100

_OLDEST_BOOTS = f"""
    WITH RECURSIVE boots (boot, n) AS (
        SELECT (SELECT min(boot) FROM events WHERE node = :node), 1
        UNION ALL
        SELECT (SELECT min(boot) FROM events WHERE node = :node AND boot > boots.boot), n + 1
        FROM boots WHERE boot IS NOT NULL AND n < {BOOTS_AT_ONCE}
    )
    SELECT boot FROM boots WHERE boot IS NOT NULL
    ORDER BY (SELECT id FROM events WHERE node = :node AND boot = boots.boot ORDER BY number LIMIT 1)
"""  # noqa: S608 - ours
"""A node's first boots, those first whose first event was stored first. What was just stored and acknowledged
goes last, even where an old boot is sent late."""


class Pruner:
    """Deletes within the transactions of the thread that stores events.

    Args:
        db: Open, with the tables of `schema.py`.
        settings: The bounds.
        quotas: Told what gave way.
        ledger: What each node has.
        parts: What else forgets: boots, places and sums.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        settings: HistorySettings,
        quotas: Quotas,
        ledger: Ledger,
        parts: tuple[Boots, Places, Rollup],
        clock: Callable[[], float],
    ) -> None:
        self._db, self._settings, self._quotas, self._ledger = db, settings, quotas, ledger
        self._boots, self._places, self._rollup = parts
        self._clock = clock
        self._pruned_s = clock()

    def born_us(self, wall_us: int) -> int:
        """When the oldest things that are kept were stored."""
        return max(0, wall_us - int(self._settings.max_age_days * 86_400e6))

    def step(self, wall_us: int) -> None:
        """Delete a part of what is too old or too much; the next commit deletes more while there is more."""
        self._places.clear_gone(AT_ONCE)
        if files.used_bytes(self._db) > self._settings.max_mb * 1e6:
            self._shrink()
        if self._clock() <= self._pruned_s + EVERY_S:
            return
        born_us = self.born_us(wall_us)
        if self._delete_older(born_us):
            return
        self._rollup.flush()
        # A viewer whose own clock was never set cannot tell what is to come.
        latest_us = wall_us + FAR_AHEAD_US if wall_us >= EARLIEST_US else 2**53
        complete, changed = self._places.tidy(born_us, latest_us, PLACES_AT_ONCE)
        if changed:
            self._rollup.reset()
        if complete:
            self._boots.forget(self._db, born_us)
            self._pruned_s = self._clock()

    def drop_node(self, node: str) -> None:
        """Delete everything of a node that gives way to a new one."""
        mine = "place IN (SELECT id FROM places WHERE node = ?)"
        for table in ("flow", "stays", "standings", "pauses"):
            self._db.execute(f"DELETE FROM {table} WHERE {mine}", (node,))  # noqa: S608 - ours
        for table in ("events", "marks", "places", "sessions"):
            self._db.execute(f"DELETE FROM {table} WHERE node = ?", (node,))  # noqa: S608 - ours
        self._boots.close(node)
        self._ledger.close(node)
        self._rollup.flush()
        self._rollup.reset()

    def _delete_older(self, born_us: int) -> int:
        # Rows are numbered as they were stored, so the first ones are the oldest.
        rows = self._db.execute(
            "SELECT id, node, length(payload), stored_us FROM events ORDER BY id LIMIT ?", (AT_ONCE,)
        ).fetchall()
        return self._delete([row[:3] for row in rows if row[3] < born_us])

    def _shrink(self) -> None:
        """Delete from the node that has the most, until the file is small enough or enough is done."""
        done = 0
        while done < AT_ONCE and files.used_bytes(self._db) > self._settings.max_mb * 1e6:
            found = self._ledger.largest()
            if found is None or found[1].total == 0:
                return
            node, account = found
            if account.bytes >= account.sums * SUM_BYTES:
                deleted = self._delete(self._oldest_events(node, BETWEEN_LOOKS))
                self._quotas.hit(node, "events", self._settings.max_mb, deleted)
            else:
                deleted = self._places.drop_oldest_sums(node, BETWEEN_LOOKS)
                self._quotas.hit(node, "sums", self._settings.max_mb, deleted)
            if not deleted:
                self._ledger.recount(node)
                return
            done += deleted

    def _oldest_events(self, node: str, count: int) -> list[tuple[int, str, int]]:
        found: list[tuple[int, str, int]] = []
        for (boot,) in self._db.execute(_OLDEST_BOOTS, {"node": node}).fetchall():
            sql = """SELECT id, node, length(payload) FROM events WHERE node = ? AND boot = ?
                     ORDER BY number LIMIT ?"""
            found += self._db.execute(sql, (node, boot, count - len(found))).fetchall()
            if len(found) >= count:
                break
        return found

    def _delete(self, rows: Iterable[tuple[int, str, int]]) -> int:
        """Delete events, given by id, node and length of the payload; how many."""
        found = list(rows)
        self._db.executemany("DELETE FROM events WHERE id = ?", [(row[0],) for row in found])
        for _, node, size in found:
            self._ledger.change(node, events=-1, size=-size - EVENT_BYTES)
        return len(found)
