"""A browser that notes how old events are when they arrive.

    python -m tests.bench.fleet.browser URL FILE SHOWN WATCHED

With names first, it shows as many nodes as SHOWN says; without, all of them. It takes frames of the first
WATCHED cameras. It is a process of its own, so that the simulator's work does not delay it. Each line of FILE
has the wall clock in seconds and the age of an event in milliseconds.
"""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path

import orjson
from websocket import WebSocket, WebSocketException, create_connection

from tests.bench.fleet.messages import CAMERA
from tests.bench.fleet.node import names

FLUSH_S = 0.2
CREDIT = 8
"""Frames that may be on their way."""


def main(url: str, file: str, shown: str, watched: str) -> None:
    """Note the events until the process is ended; connect again whenever the viewer has gone."""
    with Path(file).open("w", buffering=1 << 16) as notes:
        flushed = 0.0
        while True:
            with contextlib.suppress(OSError, WebSocketException):
                socket = create_connection(url, origin=url.replace("ws://", "http://").rpartition("/")[0])
                if "first=names" in url:
                    _say(socket, "show", cameras=[[node, CAMERA] for node in names(int(shown))])
                _say(socket, "watch", cameras=[[node, CAMERA] for node in names(int(watched))])
                _say(socket, "ready", frames=CREDIT)
                while message := socket.recv():
                    now = time.time()
                    if isinstance(message, bytes):
                        _say(socket, "ready", frames=1)
                    elif message.startswith('{"type":"events"'):
                        event = orjson.loads(message)["message"]
                        if not event["historical"]:
                            notes.write(f"{now:.3f} {now * 1e3 - event['occurred_us'] / 1e3:.3f}\n")
                    if now > flushed + FLUSH_S:
                        flushed = now
                        notes.flush()
            time.sleep(0.5)


def _say(socket: WebSocket, kind: str, **fields: object) -> None:
    socket.send(orjson.dumps({"type": kind, **fields}).decode())


if __name__ == "__main__":
    main(*sys.argv[1:])
