"""State that is published again although it has not changed, so that subscribers know that it still lives."""

from __future__ import annotations

from collections.abc import Callable

from shared.mqtt.client import Client

AGAIN_S = 60.0
"""How often the status of the node and the state of its cameras are published again, although unchanged."""


class Again:
    """Publishes state again although it has not changed, evenly over each minute.

    Subscribers then know what still lives, although a broker may have kept it for longer than the node.

    Args:
        client: Publishes it.
        said: Gives the topics.
        now_s: Monotonic seconds.
    """

    def __init__(self, client: Client, said: Callable[[], list[str]], now_s: float) -> None:
        self._client, self._said = client, said
        self._round: list[str] = []
        self._began_s, self._done = now_s, 0

    def due(self, now_s: float) -> None:
        """Publish what is due by now."""
        passed = (now_s - self._began_s) / AGAIN_S
        wanted = min(len(self._round), int(len(self._round) * passed))
        for path in self._round[self._done : wanted]:
            self._client.refresh(path)
        self._done = wanted
        if passed >= 1.0:
            self._round, self._began_s, self._done = self._said(), now_s, 0
