"""The end of a node whose stages stand still: its retained status says so, and the process ends.

Any lock of the node may be held for ever. So nothing here waits without a limit, and a second connection
publishes the status if the node's own cannot.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from edge_node.publish.state.node import NodeState
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.signals import end_with_stacks, stacks_after
from shared.wire import topics

log = logging.getLogger("darner.edge")

SAY_WITHIN_S = 3.0
"""How long publishing over one connection may take, seconds."""


def end_frozen(reason: str, client: Client, state: NodeState, settings: MqttSettings, node: str) -> None:
    """Publish that the node is offline and why, log all threads' stacks, and end the process with an error.

    Args:
        reason: What stands still.
        client: The node's connection.
        state: The node's retained state.
        settings: The broker.
        node: The node's name.
    """
    stacks_after(3 * SAY_WITHIN_S)  # in case not even this thread gets on
    path = topics.STATUS.path(settings.prefix, node=node)

    def orderly() -> bool:
        log.error("node %s: %s: it ends, so that it can be started again", node, reason)
        state.gone(reason)
        if not client.finish(SAY_WITHIN_S / 2):
            return False
        client.__exit__(None, None, None)  # else the broker would publish the will over the reason
        return True

    def anew() -> bool:
        with Client(settings, name=f"darner-{node}-end") as other:
            other.set_state(topics.STATUS, path, state.offline(reason))
            return other.wait_connected(SAY_WITHIN_S) and other.finish(SAY_WITHIN_S)

    try:
        if not _within(SAY_WITHIN_S, orderly):
            client.abandon()
            _within(SAY_WITHIN_S, anew)
    finally:  # whatever fails here, such as starting one more thread
        end_with_stacks(1)


def _within(seconds: float, work: Callable[[], bool]) -> bool:
    """Whether `work` returns True in time; it is not waited for any longer."""
    done: list[bool] = []
    thread = threading.Thread(target=lambda: done.append(work()), name="last words", daemon=True)
    thread.start()
    thread.join(seconds)
    return done == [True]
