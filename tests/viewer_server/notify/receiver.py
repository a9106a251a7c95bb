"""A real HTTP server that receives webhooks, and checks them with the library of Standard Webhooks."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
Behave = Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]


@dataclass
class Receiver:
    """What has arrived, as it was verified.

    Attributes:
        port: Where it listens.
        got: Identifier and body of each request, also of those that it did not accept.
        behave: Answers a request; by default with 204.
    """

    port: int = 0
    got: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    behave: Behave | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        """The identifiers, in the order in which they arrived."""
        return [message for message, _ in self.got]


def answer(status: int, body: bytes = b"", **headers: str) -> Behave:
    """A behaviour: always this answer."""

    def behave(handler: BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return behave


def drip(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:  # noqa: ARG001
    """A behaviour: a header that never ends."""
    for _ in range(300):
        handler.wfile.write(b"X")
        handler.wfile.flush()
        time.sleep(0.1)


def garbage(handler: BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
    """A behaviour: bytes that are no HTTP."""
    handler.wfile.write(bytes(range(256)) * 4)


@contextmanager
def receiving(
    port: int = 0, behave: Behave | None = None, certificate: Path | None = None, *, signed: bool = True
) -> Iterator[Receiver]:
    """A receiver that runs; with a certificate (its key beside it), over TLS; unsigned, for Apprise."""
    receiver = Receiver(behave=behave)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if signed:
                Webhook(SECRET).verify(body, dict(self.headers))
            said = json.loads(body)
            receiver.got.append((self.headers.get("webhook-id", ""), said))
            (receiver.behave or answer(204))(self, said)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # the other side has hung up, as it may

    server = Server(("127.0.0.1", port), Handler)
    receiver.port = server.server_address[1]
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
