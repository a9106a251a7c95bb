"""What one worker at a time does for all of them: it moves the marks, acknowledges, and deletes what is old.

The worker that holds an advisory lock of the database leads. When it dies, or loses its connection, the
server releases the lock, and another worker takes over with what is committed. It begins a new session, so
that nodes send at once what the worker may have had in its memory.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence

import psycopg

from shared.service.watchdog import Look
from viewer_server.archive.acks import Acks
from viewer_server.archive.config import ArchiveSettings
from viewer_server.archive.database import Connection, Place, connect, lock_key, new_session
from viewer_server.archive.marks import Mark, Marks
from viewer_server.archive.prune import Pruner
from viewer_server.archive.rows import Arrival, Key, unpack
from viewer_server.archive.troubles import Troubles
from viewer_server.stored.nodes.progress import MAX_ABOVE, MAX_GAPS

log = logging.getLogger("darner.archive")

IDLE_S = 0.25
"""How often a worker looks for what others have committed, and for the lock."""
LEAST_S, MOST_S = 0.05, 1.0
"""Between two rounds, seconds: the more boots have events, the more of them one acknowledgement covers."""
BOOTS_PER_S = 1000

_TAKE = "DELETE FROM arrived WHERE id IN (SELECT id FROM arrived ORDER BY id LIMIT 100) RETURNING id, boots"
_KEEP = """
INSERT INTO boots (node, boot, number) SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[])
ON CONFLICT (node, boot) DO UPDATE SET number = greatest(boots.number, excluded.number), updated_at = now()
"""
_COUNT = """
INSERT INTO nodes (node, events) SELECT * FROM unnest(%s::text[], %s::bigint[])
ON CONFLICT (node) DO UPDATE SET events = nodes.events + excluded.events
"""
_FORGET = "DELETE FROM boots WHERE (node, boot) IN (SELECT * FROM unnest(%s::text[], %s::text[]))"
_ABOVE = """
SELECT e.node, e.boot, e.number FROM boots b
JOIN events e ON e.node = b.node AND e.boot = b.boot AND e.number > b.number
"""
_GAPS = """
SELECT b.node, b.boot, (event #>> '{gap,first}')::bigint, (event #>> '{gap,last}')::bigint FROM events e
JOIN boots b ON b.node = e.node AND b.boot = event #>> '{gap,boot}'
WHERE e.type = 'gap' AND (event #>> '{gap,last}')::bigint > b.number
"""
_GAPS_OF = """
SELECT (event #>> '{gap,first}')::bigint, (event #>> '{gap,last}')::bigint FROM events
WHERE type = 'gap' AND node = %s AND event #>> '{gap,boot}' = %s LIMIT %s
"""


class Leader:
    """A thread that leads while it may; `with` starts and ends it.

    Args:
        at: The database.
        settings: The archive's.
        acks: Tells the nodes.
        troubles: Told what is wrong with the database.
        clock: Seconds, monotonic.

    Attributes:
        leads: Whether this worker leads now.
        marks: The progress of all boots, while it leads.
        pruner: Deletes what is old.
        wake: Set it when this worker has committed something.
        heard: Whether any worker has committed something while this one led.
    """

    def __init__(
        self,
        at: Place,
        settings: ArchiveSettings,
        acks: Acks,
        troubles: Troubles,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._at, self._acks, self._clock = at, acks, clock
        self._db: Connection | None = None
        self.marks = Marks(clock, settings.boots, self._stored)
        self.pruner = Pruner(settings, clock)
        self.leads = self.heard = False
        self.wake = threading.Event()
        self._turns = 0
        self._stopping = threading.Event()
        self._troubles = troubles
        self._thread = threading.Thread(target=self._run, name="leader", daemon=True)

    def __enter__(self) -> Leader:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping.set()
        self.wake.set()
        self._thread.join(2.0)

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def look(self) -> Look:
        """What a watchdog sees of the thread, which may have to wait for the database as long as it takes."""
        return Look(self._turns, frozen_s=math.inf)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with connect(self._at) as db:
                    self._db = db
                    self._serve(db)
            except psycopg.Error as error:
                self._troubles.say("leader", error)
            finally:
                self._step_down()
            self._turns += 1
            self._stopping.wait(1.0)

    def _serve(self, db: Connection) -> None:
        while not self._stopping.is_set():
            self._turns += 1
            if not self.leads:
                leads = self._take_over(db)
                self._troubles.over("leader")
                if not leads:
                    self._stopping.wait(1.0)
                    continue
            self.wake.wait(IDLE_S)
            self.wake.clear()
            boots = self._round(db)
            self.pruner.step(db, self.marks)
            self._stopping.wait(min(MOST_S, max(LEAST_S, boots / BOOTS_PER_S)))
        if self.leads:
            self._round(db)

    def _take_over(self, db: Connection) -> bool:
        """Lead if nobody else does: begin with what is committed, and tell the nodes that it is there."""
        row = db.execute("SELECT pg_try_advisory_lock(%s)", (lock_key(self._at.schema),)).fetchone()
        if row != (True,):
            return False
        with db.transaction():
            self._acks.session = new_session(db)
            marks = db.execute("SELECT node, boot, number FROM boots ORDER BY updated_at").fetchall()
            above = db.execute(_ABOVE).fetchall()
            gaps = db.execute(_GAPS).fetchall()
        of_boots = [((str(node), str(boot)), int(str(a)), int(str(b))) for node, boot, a, b in gaps]
        self.marks.load(map(_mark, marks), map(_mark, above), of_boots)
        self.leads = True
        log.info("this worker leads: it acknowledges what all workers have stored")
        self._acks.say(self.marks.newest())
        return True

    def _step_down(self) -> None:
        if self.leads:
            self.leads = False
            if not self._stopping.is_set():
                self._acks.be_silent()

    def _stored(self, key: Key) -> Arrival:
        """The numbers and gaps that are stored of a boot."""
        assert self._db is not None  # noqa: S101 - marks move only while there is a connection
        sql = "SELECT number FROM events WHERE node = %s AND boot = %s ORDER BY number LIMIT %s"
        numbers = [int(str(number)) for (number,) in self._db.execute(sql, (*key, MAX_ABOVE))]
        gaps = [(int(str(a)), int(str(b))) for a, b in self._db.execute(_GAPS_OF, (*key, MAX_GAPS))]
        return Arrival(numbers=numbers, gaps=gaps)

    def _round(self, db: Connection) -> int:
        """Move the marks by what was committed since, and acknowledge; how many boots that were."""
        marks = self.marks
        with db.transaction():
            taken = sorted(db.execute(_TAKE).fetchall(), key=lambda row: int(str(row[0])))
            for _, boots in taken:
                for key, arrival in unpack(str(boots)):
                    marks.take(key, arrival)
            if not taken:
                return 0
            self.heard = True
            changed = marks.changed()
            if marks.forgotten:  # before the others: one of them may have come again
                db.execute(_FORGET, _columns(marks.forgotten, 2))
            db.execute(_KEEP, _columns(changed, 3))
            db.execute(_COUNT, _columns(sorted(marks.added.items()), 2))
        marks.settled()
        self._acks.say(changed)
        return len(changed)


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    return [[one[column] for one in rows] for column in range(width)]


def _mark(row: tuple[object, ...]) -> Mark:
    node, boot, number = row
    return Mark(str(node), str(boot), int(str(number)))
