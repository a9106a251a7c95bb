"""How many files the broker may have open: each of its connections is one."""

from __future__ import annotations

import logging
import resource

from shared.errors import ConfigError

log = logging.getLogger("darner.broker")

BESIDES = 100
"""Open files that are no connections: listeners, the log, the state while it is written."""
AT_LEAST = 4096


def allow(connections: int, listeners: int, asked: bool) -> None:
    """Raise this process's limit, which the broker inherits, so that it holds all connections.

    Args:
        connections: Maximum connections of each listener.
        listeners: How many ports the broker listens on.
        asked: Whether somebody has asked for this number of connections.

    Raises:
        ConfigError: The system does not allow as many as somebody has asked for.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections * listeners + BESIDES
    if hard != resource.RLIM_INFINITY and hard < needed:
        text = (
            f"{connections} connections on {listeners} port{'s' * (listeners > 1)} need {needed} open files, "
            f"and this system allows {hard}: raise its limit (ulimit -Hn, LimitNOFILE= of a systemd unit, "
            "ulimits of a container)"
        )
        if asked:
            raise ConfigError(f"--max-connections {connections}: {text}, or ask for fewer")
        log.warning("%s, else the broker refuses clients before that", text)
    enough = max(AT_LEAST, needed)
    if hard != resource.RLIM_INFINITY:
        enough = min(enough, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, enough), hard))
