"""A subscriber in a process of its own that notes how old messages are when they arrive.

The same file is both ends: imported it starts the process; run, it is the process. A message is any JSON
object with `captured_us`; it is read only after the last one came, so that reading delays nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import orjson
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion


class Listener:
    """Listens while the block lasts.

    Args:
        port: The broker's, on this machine.
        topic: A filter.

    Attributes:
        ages_ms: By topic, in the order of arrival; filled at the end.
    """

    def __init__(self, port: int, topic: str) -> None:
        self._command = [sys.executable, str(Path(__file__).resolve()), str(port), topic]
        self.ages_ms: dict[str, list[float]] = {}

    def __enter__(self) -> Listener:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, text=True)
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "ready":
            raise RuntimeError("the listener does not listen")
        return self

    def __exit__(self, *_: object) -> None:
        self.ages_ms = json.loads(self._process.communicate()[0])


def _listen(port: int, topic: str) -> None:
    arrived: list[tuple[str, int, bytes]] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda _, __, message: arrived.append(
        (message.topic, time.time_ns(), message.payload)
    )
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.connect("127.0.0.1", port)
    client.subscribe(topic)
    client.loop_start()
    sys.stdin.read()
    client.loop_stop()
    ages: dict[str, list[float]] = {}
    for name, at_ns, payload in arrived:
        captured_us = orjson.loads(payload)["captured_us"]
        ages.setdefault(name, []).append(round(at_ns / 1e6 - captured_us / 1e3, 3))
    print(json.dumps(ages))


if __name__ == "__main__":
    _listen(int(sys.argv[1]), sys.argv[2])
