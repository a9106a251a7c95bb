"""When zones counted nothing: rules about occupancy do not take a paused zone for an empty one."""

from __future__ import annotations

from collections.abc import Collection

from viewer_server.stored.pauses import read_pauses
from viewer_server.stored.reading import Reader

Change = tuple[int, frozenset[str]]
"""A moment, microseconds UTC, and the zones that are paused from then on."""


def changes(
    db: Reader, node: str, camera: str, zones: Collection[str], from_us: int, to_us: int
) -> list[Change]:
    """What is paused when, earliest first.

    Args:
        db: To read from.
        node: Name of the node.
        camera: Name of the camera.
        zones: Its zones.
        from_us: Begin of the range, microseconds UTC. What is paused already is told for this moment.
        to_us: Its end, exclusive.
    """
    steps: list[tuple[int, int, str]] = []
    for zone in zones:
        sql = "SELECT id FROM places WHERE node = ? AND camera = ? AND zone = ?"
        for (place,) in db.execute(sql, (node, camera, zone)).fetchall():
            for pause in read_pauses(db, place, from_us, to_us):
                steps += [(max(from_us, pause.from_us), 1, zone), (pause.to_us, -1, zone)]
    depth = dict.fromkeys(zones, 0)
    found: list[Change] = []
    for at_us, by, zone in sorted(steps):
        depth[zone] += by
        found.append((at_us, frozenset(name for name, count in depth.items() if count > 0)))
    return found
