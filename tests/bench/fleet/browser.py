"""A browser that notes how old events are when they arrive.

    python -m tests.bench.fleet.browser URL FILE SHOWN

It shows so many nodes, as a page does that has asked for names first; else all of them.
It is a process of its own, so that the simulator's work does not delay it. Each line of FILE has the wall
clock in seconds and the age of an event in milliseconds.
"""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path

import orjson
from websocket import WebSocketException, create_connection

from tests.bench.fleet.node import CAMERA, names

FLUSH_S = 0.2


def main(url: str, file: str, shown: str) -> None:
    """Note the events until the process is ended; connect again whenever the viewer has gone."""
    with Path(file).open("w", buffering=1 << 16) as notes:
        flushed = 0.0
        while True:
            with contextlib.suppress(OSError, WebSocketException):
                socket = create_connection(url, origin=url.replace("ws://", "http://").rpartition("/")[0])
                if "first=names" in url:
                    cameras = [[node, CAMERA] for node in names(int(shown))]
                    socket.send(orjson.dumps({"type": "show", "cameras": cameras}).decode())
                while message := socket.recv():
                    now = time.time()
                    if isinstance(message, str) and message.startswith('{"type":"events"'):
                        event = orjson.loads(message)["message"]
                        if not event["historical"]:
                            notes.write(f"{now:.3f} {now * 1e3 - event['occurred_us'] / 1e3:.3f}\n")
                    if now > flushed + FLUSH_S:
                        flushed = now
                        notes.flush()
            time.sleep(0.5)


if __name__ == "__main__":
    main(*sys.argv[1:])
