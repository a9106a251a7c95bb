"""A real HTTPS server for downloads, with a certificate that this process trusts."""

from __future__ import annotations

import contextlib
import http.server
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from broker import certificates


@dataclass
class Served:
    """What a server gives, and what it was asked for.

    Attributes:
        files: Contents by path.
        promised: How many bytes more than its content a path's header announces.
        redirects: Where a path leads.
        asked: The paths asked for.
        url: The server's address.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    promised: dict[str, int] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""


@contextlib.contextmanager
def serving(folder: Path, patch: Any) -> Iterator[Served]:
    """Serve on a free port until the block is left.

    Args:
        folder: For the certificates.
        patch: pytest's monkeypatch, which makes the server's CA the trusted one.
    """
    made = certificates.make(folder / "ca", ["127.0.0.1"], [], 1, force=False)
    patch.setenv("SSL_CERT_FILE", str(made[0]))
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        patch.delenv(name, raising=False)
    served = Served()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            if self.path in served.redirects:
                self.send_response(302)
                self.send_header("Location", served.redirects[self.path])
                self.end_headers()
                return
            if self.path not in served.files:
                self.send_error(404)
                return
            content = served.files[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content) + served.promised.get(self.path, 0)))
            self.end_headers()
            with contextlib.suppress(OSError):  # the client may have had enough
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca" / "server.crt", folder / "ca" / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    served.url = f"https://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
