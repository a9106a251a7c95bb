"""The compact list of what there is: each node and camera with its name and status, and nothing else.

Browsers that ask for it get this list first. 10,000 nodes with a camera each take about half a megabyte.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import orjson

from shared.wire import topics
from viewer_server.live.node import Node
from viewer_server.live.nodes import Nodes
from viewer_server.live.updates import Update

_SAYING = (topics.STATUS.name, topics.INFO.name, topics.CAMERA_STATUS.name)


class Names:
    """The lines of all nodes, which change with what browsers are told.

    Not thread-safe: the hub's lock guards it.

    Args:
        nodes: All nodes.
    """

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._lines: dict[str, tuple[bytes, frozenset[str]]] = {}

    def __iter__(self) -> Iterator[Update]:
        for node, (line, _) in self._lines.items():
            yield Update("names", ("names", node), line)

    def follow(self, told: Iterable[Update]) -> list[Update]:
        """The lines that have changed with these updates, which costs nothing for any other node."""
        nodes = {update.key[1] for update in told if update.kind == "state" and self._is_about(update)}
        return [line for node in nodes if (line := self._renew(node)) is not None]

    def _is_about(self, update: Update) -> bool:
        """Whether an update may change the line of its node."""
        kind, name, *rest = update.key
        if kind in _SAYING or not rest:
            return kind in _SAYING
        node = self._nodes.get(name)
        is_there = node is not None and rest[0] in node.cameras and node.shows(rest[0])
        return is_there != (name in self._lines and rest[0] in self._lines[name][1])

    def _renew(self, name: str) -> Update | None:
        node = self._nodes.get(name)
        before = self._lines.get(name)
        cameras = frozenset(node.shown_cameras()) if node else frozenset[str]()
        if node is None or not (node.announced or cameras):
            if before is None:
                return None
            del self._lines[name]
            return Update("names", ("names", name), orjson.dumps([name]))
        line = _line(node, sorted(cameras))
        self._lines[name] = line, cameras
        return None if before is not None and before[0] == line else Update("names", ("names", name), line)


def _line(node: Node, cameras: list[str]) -> bytes:
    """A node's line; what people call it and its cameras stands at the end, where it is called anything."""
    told = [
        [camera, node.statuses.get(camera), *([node.labels[camera]] if camera in node.labels else [])]
        for camera in cameras
    ]
    status = None if node.online is None else "online" if node.online else "offline"
    return orjson.dumps([node.name, status, told, *([node.label] if node.label else [])])
