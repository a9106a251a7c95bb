"""A stand-in for Home Assistant: its ingress, which passes requests on below a path, and a page with a frame.

It does to a request what Home Assistant's `hassio` integration does: it takes the path away, names it in
X-Ingress-Path, adds X-Forwarded-For, -Host and -Proto, and leaves the rest as the browser sent it.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PATH = "/api/hassio_ingress/1wuZ_x-3"
_PAGE = f"<!doctype html><title>Home</title><iframe width=1200 height=800 src='{PATH}/'></iframe>".encode()

_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    % len(_PAGE)
)


@contextmanager
def ingress(viewer_port: int) -> Iterator[str]:
    """The address of Home Assistant's page; it passes requests on to the viewer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, viewer_port), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, viewer_port: int) -> None:
    with suppress(OSError):  # the listener is closed
        while True:
            browser, _ = listener.accept()
            threading.Thread(target=_serve, args=(browser, viewer_port), daemon=True).start()


def _serve(browser: socket.socket, viewer_port: int) -> None:
    """One request of a connection, with a websocket's whole conversation behind it."""
    with browser, suppress(OSError):
        head, _, begun = _read_head(browser).partition(b"\r\n\r\n")
        first, *headers = head.split(b"\r\n")
        if not first.split(b" ")[1:2] or not first.split(b" ")[1].startswith(PATH.encode()):
            browser.sendall(_ANSWER + _PAGE)
            return
        upgrade = any(one.lower().startswith(b"upgrade:") for one in headers)
        host = next(one for one in headers if one.lower().startswith(b"host:")).partition(b":")[2].strip()
        kept = [one for one in headers if upgrade or not one.lower().startswith(b"connection:")]
        kept += [] if upgrade else [b"Connection: close"]
        kept += [b"X-Ingress-Path: " + PATH.encode(), b"X-Forwarded-For: 127.0.0.1"]
        kept += [b"X-Forwarded-Host: " + host, b"X-Forwarded-Proto: http"]
        asked = b"\r\n".join([first.replace(PATH.encode(), b"", 1), *kept]) + b"\r\n\r\n" + begun
        with socket.create_connection(("127.0.0.1", viewer_port)) as viewer:
            viewer.sendall(asked)
            threading.Thread(target=_pass_on, args=(browser, viewer), daemon=True).start()
            _pass_on(viewer, browser)


def _read_head(sock: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        part = sock.recv(65_536)
        if not part:
            raise OSError("the browser has gone")
        head += part
    return head


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
