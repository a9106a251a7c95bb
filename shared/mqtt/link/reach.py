"""Opening a TCP connection to a named host within a limit, whatever name servers and firewalls do."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from typing import Any

RECORD_S = 3.0
"""The most that one of a name's addresses may take, seconds."""


class LateLookupError(TimeoutError):
    """The name was not looked up in time."""


class Reach:
    """Opens connections, one at a time."""

    def __init__(self) -> None:
        self._lookups: dict[tuple[str, int], _Lookup] = {}

    def open(self, host: str, port: int, deadline: float) -> socket.socket:
        """A TCP connection to one of the addresses that a name has.

        Args:
            host: Name or address.
            port: TCP port.
            deadline: When it must be there, by `time.monotonic`. Every address gets a share of the time.

        Raises:
            LateLookupError: The name was not looked up in time. A later call goes on with the same look-up.
            OSError: There is no such name, or no address answers.
        """
        found = self._look_up(host, port, deadline)
        failure: OSError = OSError(f"{host} has no address")
        for index, (family, kind, protocol, _, where) in enumerate(found):
            share_s = (deadline - time.monotonic()) / (len(found) - index)
            try:
                return _connected(socket.socket(family, kind, protocol), where, share_s)
            except OSError as error:
                # That one address was silent says more than that another one, of IPv6 maybe, is not there.
                failure = failure if isinstance(failure, TimeoutError) else error
        raise failure

    def _look_up(self, host: str, port: int, deadline: float) -> Sequence[Any]:
        # getaddrinfo knows no limit: where the first name server is dead, it takes many seconds. Its thread
        # goes on, at most one for a name, and serves the next attempt.
        lookup = self._lookups.get((host, port))
        if lookup is None:
            lookup = self._lookups[host, port] = _Lookup(host, port)
        if not lookup.done.wait(max(0.0, deadline - time.monotonic())):
            raise LateLookupError(f"{host} was not looked up in time")
        del self._lookups[host, port]
        if lookup.error is not None:
            raise lookup.error
        return lookup.found


def _connected(sock: socket.socket, where: Any, within_s: float) -> socket.socket:
    try:
        sock.settimeout(min(max(within_s, 0.05), RECORD_S))
        sock.connect(where)
    except OSError:
        sock.close()
        raise
    return sock


class _Lookup:
    """The addresses of one name, looked up in a thread of its own."""

    def __init__(self, host: str, port: int) -> None:
        self._name = host, port
        self.done = threading.Event()
        self.found: Sequence[Any] = ()
        self.error: OSError | None = None
        threading.Thread(target=self._run, name="mqtt name", daemon=True).start()

    def _run(self) -> None:
        try:
            self.found = socket.getaddrinfo(*self._name, 0, socket.SOCK_STREAM)
        except OSError as error:
            self.error = error
        except UnicodeError:  # a label of over 63 letters, for example
            self.error = socket.gaierror(socket.EAI_NONAME, "it is no name of a host")
        finally:
            self.done.set()
