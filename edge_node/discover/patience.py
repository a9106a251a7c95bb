"""How long cameras are asked: HTTP over connections that somebody else can hang up on.

Every wait has a limit of its own, but a camera that sends one byte every few seconds never reaches it.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import urllib.request
import weakref
from contextlib import suppress


class Patience:
    """How long cameras are asked. A camera that sends its answer drop by drop is hung up on.

    Attributes:
        over: Whether no camera is asked any more.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self.over = False

    def end(self) -> None:
        """Hang up on every camera, and ask no other."""
        with self._lock:
            self.over = True
            connections = list(self._open)
        for connection in connections:
            with suppress(OSError):  # it has ended by itself
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def opened(self, connection: socket.socket) -> None:
        """Note a connection.

        Raises:
            TimeoutError: Nobody is to be asked any more.
        """
        with self._lock:
            if self.over:
                raise TimeoutError
            self._open.add(connection)


class Http(urllib.request.HTTPHandler):
    """HTTP over connections that can be hung up on."""

    def __init__(self, patience: Patience) -> None:
        super().__init__()
        self._patience = patience

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Send a request."""
        patience = self._patience

        class Connection(http.client.HTTPConnection):
            def connect(self) -> None:
                super().connect()
                patience.opened(self.sock)

        return self.do_open(Connection, request)


class Https(urllib.request.HTTPSHandler):
    """The same over TLS, with a certificate of whomever: cameras have none that anybody has signed."""

    def __init__(self, patience: Patience) -> None:
        # Not the default context, which reads all certificates of the machine for every question.
        self._unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._unchecked.check_hostname, self._unchecked.verify_mode = False, ssl.CERT_NONE
        super().__init__(context=self._unchecked)
        self._patience = patience

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Send a request."""
        patience = self._patience

        class Connection(http.client.HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                patience.opened(self.sock)

        return self.do_open(Connection, request, context=self._unchecked)
