"""Deletes what is too old or too much, a part at a time, in the worker that leads.

What was deleted is not stored again when a node sends it again: each boot remembers up to which number it was
pruned. A mark never moves back.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from shared.log import Once
from viewer_server.archive.config import ArchiveSettings
from viewer_server.archive.database import Connection
from viewer_server.archive.marks import Marks

log = logging.getLogger("darner.archive")

EVERY_S = 10.0
AT_ONCE = 10_000
"""The most events that are deleted with one transaction."""
FEW, SILENT = 20, "1 minute"
"""A node with so few events may give way to a new one when it has said nothing for so long."""
GIVE_WAY = 100
REFUSED = 1000

_DELETE = """
WITH old AS (
    SELECT node, boot, number, occurred_at FROM events WHERE {which} LIMIT %(most)s
), gone AS (
    DELETE FROM events e USING old o
    WHERE e.node = o.node AND e.boot = o.boot AND e.number = o.number AND e.occurred_at = o.occurred_at
    RETURNING e.node, e.boot, e.number
), of_boot AS (
    SELECT node, boot, max(number) AS last, count(*) AS n FROM gone GROUP BY node, boot
), noted AS (
    UPDATE boots b SET pruned = greatest(b.pruned, o.last)
    FROM of_boot o WHERE b.node = o.node AND b.boot = o.boot
), counted AS (
    UPDATE nodes n SET events = greatest(0, n.events - o.n)
    FROM (SELECT node, sum(n) AS n FROM of_boot GROUP BY node) o WHERE n.node = o.node
)
SELECT count(*) FROM gone
"""
_TOO_OLD = _DELETE.format(which="stored_at < now() - %(days)s * interval '1 day' ORDER BY stored_at")
_OF_LARGEST = _DELETE.format(
    which="node = (SELECT node FROM nodes ORDER BY events DESC LIMIT 1) ORDER BY boot, number"
)
"""The first events of the node that has the most."""
_RECOUNT = """
UPDATE nodes n SET events = (SELECT count(*) FROM events e WHERE e.node = n.node)
WHERE node = (SELECT node FROM nodes ORDER BY events DESC LIMIT 1)
"""
"""Where something else deletes events, such as TimescaleDB's retention, a node says more than there is."""
_EMPTY = """
DELETE FROM boots b WHERE updated_at < now() - %s * interval '1 day'
AND NOT EXISTS (SELECT FROM events e WHERE e.node = b.node AND e.boot = b.boot) RETURNING node, boot
"""
_GONE = """
DELETE FROM nodes n WHERE since < now() - %s * interval '1 day'
AND NOT EXISTS (SELECT FROM boots b WHERE b.node = n.node)
"""
_SILENT = """
SELECT n.node FROM nodes n LEFT JOIN boots b ON b.node = n.node WHERE n.events <= %s
GROUP BY n.node, n.since, n.events HAVING coalesce(max(b.updated_at), n.since) < now() - %s::interval
ORDER BY n.events, max(b.updated_at) LIMIT %s
"""


class Pruner:
    """Deletes within the bounds of the settings.

    Args:
        settings: The bounds.
        clock: Seconds, monotonic.

    Attributes:
        pruned: Events that were deleted so far.
    """

    def __init__(self, settings: ArchiveSettings, clock: Callable[[], float]) -> None:
        self._settings, self._clock = settings, clock
        self._next_s = -math.inf
        self._once = Once()
        self.pruned = 0

    def step(self, db: Connection, marks: Marks) -> None:
        """Delete a part of what is too old or too much, if it is time; the next call deletes more."""
        if self._clock() < self._next_s:
            return
        days = self._settings.max_age_days
        deleted = self._delete(db, _TOO_OLD, AT_ONCE, days=days) if days is not None else 0
        if deleted < AT_ONCE:
            deleted = max(deleted, self._shrink(db))
        if deleted >= AT_ONCE:
            return
        if days is not None:
            for node, boot in db.execute(_EMPTY, (days,)).fetchall():
                marks.drop_boot((str(node), str(boot)))
            db.execute(_GONE, (days,))
        self._make_room(db, marks)
        db.execute("DELETE FROM refused WHERE id <= (SELECT max(id) FROM refused) - %s", (REFUSED,))
        self._next_s = self._clock() + EVERY_S

    def _delete(self, db: Connection, statement: str, most: int, **given: object) -> int:
        row = db.execute(statement.encode(), {"most": most, **given}).fetchone()
        deleted = int(str(row[0])) if row else 0
        self.pruned += deleted
        return deleted

    def _shrink(self, db: Connection) -> int:
        most = self._settings.max_events
        if most is None:
            return 0
        row = db.execute("SELECT coalesce(sum(events), 0) FROM nodes").fetchone()
        too_many = int(str(row[0])) - most if row else 0
        if too_many <= 0:
            return 0
        if self._once("events"):
            log.warning(
                "more than %d events: the node that has the most loses its oldest (archive.max_events)", most
            )
        deleted = self._delete(db, _OF_LARGEST, min(AT_ONCE, too_many))
        if not deleted:
            db.execute(_RECOUNT)
        return AT_ONCE if 0 < deleted < too_many else 0

    def _make_room(self, db: Connection, marks: Marks) -> None:
        """Let nodes go that have little and are silent, where no new one has room."""
        row = db.execute("SELECT count(*) FROM nodes").fetchone()
        if not row or int(str(row[0])) < self._settings.nodes:
            return
        with db.transaction():
            found = [str(node) for (node,) in db.execute(_SILENT, (FEW, SILENT, GIVE_WAY))]
            for table in ("events", "boots", "nodes"):
                db.execute(f"DELETE FROM {table} WHERE node = ANY(%s)".encode(), (found,))  # noqa: S608 - ours
        for node in found:
            marks.drop(node)
