"""All nodes, and the room that they share: who gives way when there is none.

A node beyond its own quota loses its own oldest. Where all nodes together are over a limit, the node that has
the most loses its oldest: so one that has little loses nothing, whatever the others send.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import heapify, heappop, heapreplace, nlargest

from shared.errors import MessageError
from shared.wire.messages import NodeMessage
from viewer_server.live.node import Camera, Node, gone
from viewer_server.live.updates import Key, Update
from viewer_server.quotas import ALL_NODES, Limit, Quotas

SILENT_S = 60.0
"""A node that says nothing for so long may give way to a new one when there are too many."""
UNHEARD_S = 15.0
"""The same for a node of which the broker only kept something: one that is there sends metrics every 5 s."""
ASK_AGAIN_S = 10.0
LOOK_AGAIN_S = 1.0
"""After no silent node was found: looking at all of them for each message would take long."""
LISTED = 256
"""So many of the largest nodes are listed at a time."""
ROOM_AGAIN = 0.99
"""Below this share of a limit, any node may grow unseen, so the list of the largest is made anew."""
_SIZES = ("entries", "bytes", "frames", "nodes", "cameras")
"""What is counted of all nodes together: to count thousands anew for each question would take long."""


class Nodes:
    """The nodes by name.

    Args:
        quotas: How much one node may have, and all together.
        clock: Seconds, monotonic.

    Attributes:
        counts: Pictures whose boxes never came ("unmatched"), and that named no frame ("unnamed").
    """

    def __init__(self, quotas: Quotas, clock: Callable[[], float]) -> None:
        self._quotas, self._clock = quotas, clock
        self._nodes: dict[str, Node] = {}
        self._totals: Counter[str] = Counter()
        self._refused: OrderedDict[str, None] = OrderedDict()
        self._wanted = False
        self._asked_s = self._full_s = -math.inf
        self._most_entries = _Largest(len)
        self._most_bytes = _Largest(lambda node: node.bytes)
        self._most_frames = _Largest(lambda node: node.frame_bytes)
        self.counts: Counter[str] = Counter()

    def census(self) -> tuple[int, int]:
        """How many nodes have announced themselves, and how many cameras are shown."""
        return self._totals["nodes"], self._totals["cameras"]

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    def get(self, name: str) -> Node | None:
        """A node by its name."""
        return self._nodes.get(name)

    def details(self, nodes: Iterable[str], cameras: Iterable[Key]) -> Iterator[Update]:
        """What is known of these nodes themselves and of these cameras, but for frames."""
        for node in filter(None, map(self._nodes.get, nodes)):
            yield from node.about_itself()
        of_nodes: dict[str, set[str]] = {}
        for name, camera in cameras:
            of_nodes.setdefault(name, set()).add(camera)
        for node in filter(None, map(self._nodes.get, of_nodes)):
            known = of_nodes[node.name] & node.cameras.keys()
            yield from node.details(known)
            for camera in sorted(known):
                yield from node.refusal(camera)

    def hear(self, node: Node) -> None:
        """Note that a node was heard."""
        node.heard_s = self._clock()

    def admit(self, name: str) -> tuple[Node, list[Update]]:
        """A node that announces itself, and updates about the one that had to give way to it.

        Raises:
            MessageError: There is no room.
        """
        node = self._nodes.get(name)
        if node is not None:
            return node, []
        told = self._make_room_for(name)
        node = self._nodes[name] = Node(name, self._clock() - SILENT_S + UNHEARD_S)
        return node, told

    def announce(self, node: Node, camera: str) -> list[Update]:
        """Add a camera of a node; updates about the one that had to give way to it."""
        if camera in node.cameras:
            node.cameras.move_to_end(camera)
            return []
        told: list[Update] = []
        allowed = self._quotas.settings.cameras
        if len(node.cameras) >= allowed:
            self._quotas.hit(node.name, "cameras", allowed)
            told = self.forget_camera(node, node.camera_to_give_way())
        before = _sizes(node)
        node.add_camera(camera, Camera(self.counts))
        self._count(node, before)
        return told

    def put(self, node: Node, key: Key, payload: bytes, message: NodeMessage) -> list[Update]:
        """Keep a message of a node; the updates for browsers, also about what had to give way."""
        before = _sizes(node)
        told = node.put(key, payload, message)
        self._count(node, before)
        return told + self._make_room(node)

    def remove(self, node: Node, key: Key) -> list[Update]:
        """Forget one entry of a node."""
        before = _sizes(node)
        told = node.remove(key)
        self._count(node, before)
        return told

    def weigh(self, node: Node, camera: Camera) -> None:
        """Count a camera's frames anew, and let frames of the node that has the most go."""
        self._weigh(node, camera)
        allowed = self._quotas.settings.pictures_mb
        while self._most_frames.over(self._totals["frames"], allowed * 1e6):
            most = self._most_frames.find(self._nodes, node)
            largest = max(most.cameras.values(), key=lambda one: one.held)
            pictures = largest.empty()
            self._weigh(most, largest)
            if pictures:
                self._quotas.hit(most.name, "pictures_mb", allowed)

    def forget(self, node: Node) -> list[Update]:
        """Forget a node and all of it."""
        keys = [update.key for update in node.everything()]
        for name, size in zip(_SIZES, _sizes(node), strict=True):
            self._totals[name] -= size
        del self._nodes[node.name]
        return [gone(key) for key in keys]

    def forget_camera(self, node: Node, camera: str) -> list[Update]:
        """Forget a camera and all entries about it."""
        before = _sizes(node)
        told = node.forget_camera(camera)
        self._count(node, before)
        return told

    def missed(self, name: str) -> None:
        """Note that a node speaks that is not known."""
        if name in self._refused and (
            len(self._nodes) < self._quotas.settings.nodes or self._silent() is not None
        ):
            del self._refused[name]
            self._wanted = True

    def should_ask_again(self) -> bool:
        """Whether the broker is to send its retained messages again; true once, and then not for a while.

        A node was refused, it speaks, and there is room for it now: what it announced was lost.
        """
        now = self._clock()
        if not self._wanted or now - self._asked_s < ASK_AGAIN_S:
            return False
        self._asked_s, self._wanted = now, False
        return True

    def _make_room(self, node: Node) -> list[Update]:
        allowed, told = self._quotas.settings, list[Update]()
        while len(node) > allowed.states:
            told += self._forget_oldest(node, "states", allowed.states)
        while self._most_entries.over(self._totals["entries"], allowed.all_states):
            most = self._most_entries.find(self._nodes, node)
            told += self._forget_oldest(most, "states", allowed.all_states)
        while self._most_bytes.over(self._totals["bytes"], allowed.all_live_mb * 1e6):
            most = self._most_bytes.find(self._nodes, node)
            told += self._forget_oldest(most, "live_mb", allowed.all_live_mb)
        return told

    def _forget_oldest(self, node: Node, limit: Limit, allowed: float) -> list[Update]:
        self._quotas.hit(node.name, limit, allowed)
        before = _sizes(node)
        told = node.forget_oldest()
        if told is None:  # it has its status alone, and still the most: there are too many nodes
            return self.forget(node)
        self._count(node, before)
        return told

    def _count(self, node: Node, before: tuple[int, int, int, int, int]) -> None:
        totals = self._totals  # without a loop, because it is done for each message
        totals["entries"] += len(node) - before[0]
        totals["bytes"] += node.bytes - before[1]
        totals["frames"] += node.frame_bytes - before[2]
        totals["nodes"] += node.announced - before[3]
        totals["cameras"] += node.shown - before[4]

    def _weigh(self, node: Node, camera: Camera) -> None:
        change = camera.weigh()
        node.frame_bytes += change
        self._totals["frames"] += change

    def _make_room_for(self, name: str) -> list[Update]:
        most = self._quotas.settings.nodes
        if len(self._nodes) < most:
            return []
        self._quotas.hit(ALL_NODES, "nodes", most)
        silent = self._silent()
        if silent is None:
            self._full_s = self._clock()
            self._refused[name] = None
            if len(self._refused) > most:
                self._refused.popitem(last=False)
            raise MessageError(f"more than {most} nodes (quotas.nodes), and none of them is silent")
        return self.forget(silent)

    def _silent(self) -> Node | None:
        """The node that gives way to a new one.

        Those without a status go before those offline, and these before those online; of each, the one that
        was heard longest ago.
        """
        now = self._clock()
        if now - self._full_s < LOOK_AGAIN_S:
            return None
        before_s = now - SILENT_S
        silent = (node for node in self._nodes.values() if node.heard_s < before_s)
        return min(silent, key=lambda one: (one.online is not None, one.online, one.heard_s), default=None)


class _Largest:
    """Finds the node that has the most of something, where all together have too much.

    To look at all nodes for each message takes 2 ms with 10,000 of them. So the largest are listed, and give
    way in turn until each has less than the least of them had. Whoever grows meanwhile is compared with them.

    Args:
        size: How much a node has.
    """

    def __init__(self, size: Callable[[Node], int]) -> None:
        self._size = size
        self._listed: list[tuple[int, str]] = []
        self._least = 0

    def over(self, total: float, allowed: float) -> bool:
        """Whether all together have too much."""
        if self._listed and total < allowed * ROOM_AGAIN:
            self._listed.clear()
        return total > allowed

    def find(self, nodes: Mapping[str, Node], grown: Node) -> Node:
        """The node that has the most; `grown` has just got more."""
        most = self._first(nodes)
        if most is None:
            listed = nlargest(LISTED, ((self._size(node), name) for name, node in nodes.items()))
            self._least = listed[-1][0]
            self._listed = [(-size, name) for size, name in listed]
            heapify(self._listed)
            most = nodes[listed[0][1]]
        return grown if nodes.get(grown.name) is grown and self._size(grown) > self._size(most) else most

    def _first(self, nodes: Mapping[str, Node]) -> Node | None:
        """The largest of the list; None when all of them have become smaller than the list's least."""
        while self._listed:
            size, name = self._listed[0]
            node = nodes.get(name)
            now = -1 if node is None else self._size(node)
            if node is not None and now >= -size:
                return node
            if now < self._least:
                heappop(self._listed)
            else:
                heapreplace(self._listed, (-now, name))
        return None


def _sizes(node: Node) -> tuple[int, int, int, int, int]:
    return len(node), node.bytes, node.frame_bytes, node.announced, node.shown
