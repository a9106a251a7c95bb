"""Has the application answer one whole request, through gunicorn's own WSGI bridge."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

from gunicorn.http import wsgi

from viewer_server.serving.connection import Connection
from viewer_server.serving.refusals import refusal

log = logging.getLogger("darner.viewer")

HAS_GONE = "darner.has_gone"
"""In a request's environment: says whether whoever asked waits no longer. Long work looks at it and stops."""


class Answering:
    """Calls the application; in threads.

    Args:
        cfg: gunicorn's configuration.
        app: The WSGI application.

    Attributes:
        is_last: Whether no connection is kept after its answer, because the viewer stops.
    """

    def __init__(self, cfg: Any, app: Any) -> None:
        self._cfg = cfg
        self._app = app
        self.is_last = False

    def request(self, connection: Connection) -> bool:
        """Answer into the connection's outlet; whether another request may follow."""
        out = _Watched(connection.outlet)
        try:
            return self._respond(connection, out)
        except OSError:
            return False  # the client has gone
        except Exception:
            log.exception("%s %s failed", connection.request.method, connection.request.path)
            if not out.has_sent:
                as_problem = "/api/v1/" in connection.request.path
                with contextlib.suppress(OSError):
                    out.sendall(refusal(500, "the viewer failed; its log says why", as_problem=as_problem))
            return False

    def websocket(self, connection: Connection) -> None:
        """Serve a websocket until it is closed. The application writes to the socket itself."""
        try:
            self._respond(connection, connection.sock)
        except (OSError, StopIteration):  # flask-sock ends a websocket's request so
            pass
        except Exception:
            log.exception("a websocket failed")

    def _respond(self, connection: Connection, out: Any) -> bool:
        request = connection.request
        # The door has told a client that waited for "100 Continue"; gunicorn, new and old, would do it again.
        request._expected_100_continue = False
        request.headers = [header for header in request.headers if header[0] != "EXPECT"]
        server = connection.sock.getsockname()
        response, environ = wsgi.create(request, out, connection.peer, server, self._cfg)
        environ["wsgi.multithread"] = True
        environ[HAS_GONE] = connection.has_gone
        if self.is_last:
            response.force_close()
        parts = self._app(environ, response.start_response)
        try:
            for part in parts:
                response.write(part)
            response.close()
        finally:
            if hasattr(parts, "close"):
                parts.close()
        return not response.should_close()


class _Watched:
    """An outlet that knows whether anything was sent."""

    def __init__(self, outlet: Any) -> None:
        self._outlet = outlet
        self.has_sent = False

    def sendall(self, data: bytes) -> None:
        self.has_sent = True
        self._outlet.sendall(data)

    def send(self, data: bytes) -> int:
        self.sendall(data)
        return len(data)
