"""Says that no event comes at all: a broker reports neither a wrong prefix nor a share without deliveries."""

from __future__ import annotations

import logging
from collections.abc import Callable

log = logging.getLogger("darner.archive")

SILENT_S = 300.0
"""How long nothing may come after the subscription before that is said, seconds."""


class Silence:
    """Logs one line if nothing has come since the first subscription; for one thread.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since_s: float | None = None
        self._over = False

    def heard(self) -> None:
        """An event has come, to this worker or to another one."""
        self._over = True

    def look(self, topic_filter: str) -> None:
        """Called while there is a subscription, now and then.

        Args:
            topic_filter: What is subscribed to.
        """
        if self._over:
            return
        now = self._clock()
        self._since_s = now if self._since_s is None else self._since_s
        if now < self._since_s + SILENT_S:
            return
        self._over = True
        shared = topic_filter.startswith("$share/")
        log.warning(
            "no event has come on %s for %.0f minutes; if nodes have made some, check that mqtt.prefix is "
            "theirs and that this user may read events%s",
            topic_filter,
            SILENT_S / 60,
            "; a broker may also grant a shared subscription and deliver nothing: set archive.shared to "
            '"false"'
            if shared
            else "",
        )
