"""Which browsers an update is for, so that it costs nothing for those that do not show what it is about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain

from viewer_server.live.mailbox import Mailbox
from viewer_server.live.updates import Key, Update

_NOBODY: frozenset[Mailbox] = frozenset()


class Audience:
    """All mailboxes, by what is put into them.

    Not thread-safe: the hub's lock guards it.
    """

    def __init__(self) -> None:
        self._all: set[Mailbox] = set()
        self._greedy: set[Mailbox] = set()
        """Those that are told everything."""
        self._choosy: set[Mailbox] = set()
        """Those that are told names, and details only of what they show."""
        self._shown: dict[Key, set[Mailbox]] = {}
        self._nodes: dict[str, Counter[Mailbox]] = {}
        """By node: which mailboxes show cameras of it, and how many each."""
        self._watching_all: set[Mailbox] = set()
        self._watching: dict[Key, set[Mailbox]] = {}

    def __iter__(self) -> Iterator[Mailbox]:
        return iter(self._all)

    def __contains__(self, mailbox: Mailbox) -> bool:
        return mailbox in self._all

    def __len__(self) -> int:
        return len(self._all)

    @property
    def watched(self) -> frozenset[Key] | None:
        """Cameras of which somebody is sent frames; None stands for all."""
        return None if self._watching_all else frozenset(self._watching)

    def add(self, mailbox: Mailbox) -> None:
        """Add a mailbox."""
        self._all.add(mailbox)
        (self._choosy if mailbox.names_first else self._greedy).add(mailbox)
        self.watch(mailbox, mailbox.watched)

    def remove(self, mailbox: Mailbox) -> None:
        """Remove a mailbox."""
        self.show(mailbox, frozenset())
        self.watch(mailbox, frozenset())
        for some in (self._all, self._greedy, self._choosy):
            some.discard(mailbox)

    def show(self, mailbox: Mailbox, cameras: frozenset[Key]) -> tuple[set[str], frozenset[Key]]:
        """Tell a mailbox details of these cameras and their nodes, and of no others.

        Returns:
            The nodes and cameras whose details it was not told until now.
        """
        fresh, nodes = cameras - mailbox.shown, set[str]()
        for camera in mailbox.shown - cameras:
            _drop(self._shown, camera, mailbox)
            count = self._nodes[camera[0]]
            count[mailbox] -= 1
            if not count[mailbox]:
                del count[mailbox]
            if not count:
                del self._nodes[camera[0]]
        for camera in fresh:
            self._shown.setdefault(camera, set()).add(mailbox)
            count = self._nodes.setdefault(camera[0], Counter())
            if not count[mailbox]:
                nodes.add(camera[0])
            count[mailbox] += 1
        mailbox.shown = cameras
        return nodes, fresh

    def watch(self, mailbox: Mailbox, cameras: Iterable[Key] | None) -> None:
        """Send a mailbox frames of these cameras; None stands for all."""
        before = mailbox.watched
        mailbox.watch(cameras)
        after = mailbox.watched
        self._watching_all.discard(mailbox)
        for camera in (before or frozenset()) - (after or frozenset()):
            _drop(self._watching, camera, mailbox)
        if after is None:
            self._watching_all.add(mailbox)
        for camera in after or ():
            self._watching.setdefault(camera, set()).add(mailbox)

    def of(self, update: Update) -> Iterable[Mailbox]:
        """The mailboxes that an update is for."""
        key = update.key
        if update.kind == "names":
            return self._choosy
        if update.kind == "frame":
            return chain(self._watching_all, self._watching.get(key, _NOBODY))
        if len(key) == 1:
            return self._all
        if len(key) == 2:
            return chain(self._greedy, self._nodes.get(key[1], _NOBODY))
        return chain(self._greedy, self._shown.get(key[1:3], _NOBODY))


def _drop(index: dict[Key, set[Mailbox]], camera: Key, mailbox: Mailbox) -> None:
    some = index.get(camera)
    if some is not None:
        some.discard(mailbox)
        if not some:
            del index[camera]
