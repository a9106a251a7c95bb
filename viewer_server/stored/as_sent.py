"""Stored events of a camera in the order in which its node has sent them, as rules look at them."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator
from itertools import islice

from shared.errors import MessageError
from shared.wire.messages import Event, decode
from viewer_server.stored.reading import Reader

_AT_ONCE = 500


def numbers(
    db: Reader,
    node: str,
    camera: str,
    types: Collection[str],
    from_us: int,
    to_us: int,
    most: int,
    zones: Collection[str] = (),
) -> tuple[array[int], bool]:
    """The rows of a camera's events, in the order in which the node has sent them.

    Args:
        db: To read from.
        node: Name of the node.
        camera: Name of the camera.
        types: Types of events.
        from_us: Earliest moment, microseconds UTC.
        to_us: End of the range, exclusive.
        most: Maximum number; of more, the newest.
        zones: Zones and lines; empty for all. Events without one are always among them.

    Returns:
        The rows' numbers, and whether there are more.
    """
    sql = "SELECT id FROM places WHERE node = ? AND camera = ?"
    values: list[object] = [node, camera]
    if zones:
        sql += f" AND zone IN ('', {_marks(zones)})"
        values += zones
    places = [place for (place,) in db.execute(sql, values)]
    if not places or not types:
        return array("q"), False
    # Node by node, a boot and a number say what came first; the place's index says what is in the range.
    sql = f"""SELECT id FROM (
                SELECT id FROM events INDEXED BY events_by_place
                WHERE place IN ({_marks(places)}) AND occurred_us >= ? AND occurred_us < ? AND type IN ({_marks(types)})
                ORDER BY occurred_us DESC LIMIT ?)
              JOIN events USING (id) ORDER BY boot, number"""  # noqa: S608, E501 - ours
    rows = db.execute(sql, (*places, from_us, to_us, *types, most + 1))
    found = array("q", (number for (number,) in rows))
    return found[-most:], len(found) > most


def events(db: Reader, rows: array[int]) -> Iterator[Event]:
    """The events of some rows, in their order; without those of another version of Darner."""
    walk = iter(rows)
    while some := list(islice(walk, _AT_ONCE)):
        db.check()
        sql = f"SELECT id, payload FROM events WHERE id IN ({_marks(some)})"  # noqa: S608 - ours
        payloads = dict(db.execute(sql, some).fetchall())
        for number in some:
            try:
                yield decode(Event, payloads[number])
            except (MessageError, KeyError):
                continue


def last(db: Reader, node: str, camera: str, to_us: int) -> Event | None:
    """A camera's last event before a moment, of whatever type: until then, at least, somebody watched."""
    sql = """SELECT e.id FROM places p JOIN events e ON e.id =
               (SELECT id FROM events INDEXED BY events_by_place WHERE place = p.id AND occurred_us < ?
                ORDER BY occurred_us DESC, id DESC LIMIT 1)
             WHERE p.node = ? AND p.camera = ? ORDER BY e.occurred_us DESC, e.id DESC LIMIT 1"""
    return next(
        events(db, array("q", (number for (number,) in db.execute(sql, (to_us, node, camera))))), None
    )


def _marks(values: Collection[object]) -> str:
    return ", ".join("?" * len(values))
