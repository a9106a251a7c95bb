"""How much each node has in the history, so that the node that has the most gives way to the others.

A node whose share is below that of the others never loses anything to them: the file's bytes are divided as
water fills vessels (max-min fairness; Bertsekas and Gallager, "Data Networks", section 6.5.2).
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from viewer_server.quotas import ALL_NODES, Quotas

EVENT_BYTES = 300
"""Bytes of a stored event beside its payload: the row's other columns, and its place in three indexes."""
SUM_BYTES = 60
"""Bytes of a minute's or an hour's sum."""
SILENT_S, FEW = 60.0, 20
"""A node with so few rows may give way to a new one when it has said nothing for so long."""
AWAY_S, SMALL = 86_400.0, 1000
"""The same for a node with more. One with more than a thousand rows never gives way, but ages."""
LOOK_AGAIN_S = 1.0


@dataclass(slots=True)
class Account:
    """What one node has.

    Attributes:
        events: Number of its events.
        bytes: Their bytes.
        sums: Number of rows of sums.
        heard_s: When it was heard last, by a monotonic clock.
    """

    events: int
    bytes: int
    sums: int
    heard_s: float

    @property
    def total(self) -> int:
        """Bytes of events and sums."""
        return self.bytes + self.sums * SUM_BYTES

    @property
    def patience_s(self) -> float:
        """How long it may be silent before it may give way, seconds."""
        rows = self.events + self.sums
        return SILENT_S if rows <= FEW else AWAY_S if rows <= SMALL else math.inf


class Ledger:
    """The accounts of all nodes, in memory and in the table `nodes`; for the thread that stores events.

    Args:
        db: Open, with the tables of `schema.py`.
        quotas: The limits.
        clock: Seconds, monotonic.
    """

    def __init__(self, db: sqlite3.Connection, quotas: Quotas, clock: Callable[[], float]) -> None:
        self._db, self._quotas, self._clock = db, quotas, clock
        self._accounts: dict[str, Account] = {}
        self.load()

    def load(self) -> None:
        """Read the table: at the start, and after a transaction was rolled back."""
        rows = self._db.execute("SELECT node, events, bytes, sums FROM nodes ORDER BY heard_us").fetchall()
        heard = {node: account.heard_s for node, account in self._accounts.items()}
        now = self._clock()
        self._accounts = {
            node: Account(events, size, sums, heard.get(node, now)) for node, events, size, sums in rows
        }
        self._dirty: set[str] = set()
        self._full_until_s = -math.inf

    @property
    def nodes(self) -> list[str]:
        """Every node that has an account."""
        return list(self._accounts)

    def knows(self, node: str) -> bool:
        """Whether a node has an account."""
        return node in self._accounts

    def admit(self, node: str) -> bool:
        """Open an account if there is room, and note that the node was heard; whether it has one."""
        account = self._accounts.get(node)
        if account is not None:
            account.heard_s = self._clock()
            return True
        if len(self._accounts) >= self._quotas.settings.nodes:
            return False
        self._accounts[node] = Account(0, 0, 0, self._clock())
        self._dirty.add(node)
        return True

    def to_give_way(self) -> str | None:
        """The node that gives way to a new one: silent, and with the least; None when there is none now."""
        now = self._clock()
        if now < self._full_until_s:
            return None
        silent = (
            (account.total, account.heard_s, node)
            for node, account in self._accounts.items()
            if now - account.heard_s > account.patience_s
        )
        found = min(silent, default=None)
        self._quotas.hit(ALL_NODES, "nodes", self._quotas.settings.nodes)
        if found is None:
            self._full_until_s = now + LOOK_AGAIN_S
            return None
        return found[2]

    def close(self, node: str) -> None:
        """Delete a node's account."""
        self._accounts.pop(node, None)
        self._dirty.discard(node)
        self._db.execute("DELETE FROM nodes WHERE node = ?", (node,))

    def event(self, node: str, size: int) -> None:
        """Note a stored event with a payload of so many bytes."""
        account = self._accounts[node]
        account.events += 1
        account.bytes += size + EVENT_BYTES
        self._dirty.add(node)

    def change(self, node: str, *, events: int = 0, size: int = 0, sums: int = 0) -> None:
        """Note what was added, or removed where the numbers are negative."""
        account = self._accounts.get(node)
        if account is not None:
            account.events = max(0, account.events + events)
            account.bytes = max(0, account.bytes + size)
            account.sums = max(0, account.sums + sums)
            self._dirty.add(node)

    def largest(self) -> tuple[str, Account] | None:
        """The node that has the most."""
        return max(self._accounts.items(), key=lambda item: item[1].total, default=None)

    def write(self, wall_us: int) -> None:
        """Write what has changed, within the caller's transaction."""
        self._db.executemany(
            "INSERT OR REPLACE INTO nodes VALUES (?, ?, ?, ?, ?)",
            [
                (node, account.events, account.bytes, account.sums, wall_us)
                for node in self._dirty
                for account in [self._accounts[node]]
            ],
        )
        self._dirty.clear()

    def recount(self, node: str) -> None:
        """Count a node's rows anew: the account says more than there is."""
        [(events, size)] = self._db.execute(
            "SELECT count(*), coalesce(sum(length(payload)), 0) FROM events WHERE node = ?", (node,)
        ).fetchall()
        sums = 0
        for table in ("flow", "stays", "pauses"):
            sql = f"SELECT count(*) FROM {table} WHERE place IN (SELECT id FROM places WHERE node = ?)"  # noqa: S608 - ours
            sums += self._db.execute(sql, (node,)).fetchone()[0]
        account = self._accounts[node]
        account.events, account.bytes, account.sums = events, size + events * EVENT_BYTES, sums
        self._dirty.add(node)
