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
        version: Of MQTT, 3 or 5; some brokers speak only 5, which costs a subscriber twice as much.

    Attributes:
        arrived: By topic, in order: when each message came, seconds, and its age, ms; filled at the end.
    """

    def __init__(self, port: int, topic: str, version: int = 3) -> None:
        self._command = [sys.executable, str(Path(__file__).resolve()), str(port), topic, str(version)]
        self.arrived: dict[str, list[tuple[float, float]]] = {}

    def __enter__(self) -> Listener:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, text=True)
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "ready":
            raise RuntimeError("the listener does not listen")
        return self

    def __exit__(self, *_: object) -> None:
        self.arrived = json.loads(self._process.communicate()[0])


def _listen(port: int, topic: str, version: int) -> None:
    arrived: list[tuple[str, int, bytes]] = []
    protocol = mqtt.MQTTv5 if version == 5 else mqtt.MQTTv311
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=protocol)
    client.on_message = lambda _, __, message: arrived.append(
        (message.topic, time.time_ns(), bytes(message.payload))
    )
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.connect("127.0.0.1", port)
    client.subscribe(topic)
    client.loop_start()
    sys.stdin.read()
    client.loop_stop()
    found: dict[str, list[tuple[float, float]]] = {}
    for name, at_ns, payload in arrived:
        captured_us = orjson.loads(payload)["captured_us"]
        age_ms = round((at_ns - captured_us * 1000) / 1e6, 3)
        found.setdefault(name, []).append((at_ns / 1e9, age_ms))
    print(json.dumps(found))


if __name__ == "__main__":
    _listen(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
