"""Publish-to-receive latency of our MQTT client beside Mosquitto's own C clients, on one broker, in one run.

python tests/bench/wire/publish_path.py [--seconds 4] [--json FILE]

The broker is Mosquitto with `broker/mosquitto.conf`, as a user would run it. Every message begins with the
time at which it was handed to the client; QoS 0, as frames and thumbnails travel.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.wire import topics
from tests.conftest import free_port, wait_for_port

TOPIC = "darner/v1/bench/camera/c/detections"
LOADS = [(1_000, 100), (1_000, 1_000), (50_000, 100), (50_000, 1_000)]
"""Bytes and messages a second."""
Send = Callable[[bytes], None]


def stamp(size: int) -> bytes:
    """A message of `size` bytes that begins with now."""
    return f"{time.time():.6f} ".encode().ljust(size, b"x")


def paced(send: Send, size: int, rate: int, seconds: float) -> tuple[int, float]:
    """Send at an even rate; how many were sent, and how many a second that came to."""
    start = time.perf_counter()
    count = int(rate * seconds)
    for number in range(count):
        ahead = start + number / rate - time.perf_counter()
        if ahead > 0:
            time.sleep(ahead)
        send(stamp(size))
    return count, count / (time.perf_counter() - start)


class Ours:
    """Two of our clients, as the edge node and the viewer use them."""

    name = "darner (paho)"

    def run(self, port: int, size: int, rate: int, seconds: float) -> tuple[list[float], int, float]:
        """Latencies in milliseconds, messages sent, and the rate reached."""
        settings = MqttSettings(url=f"mqtt://127.0.0.1:{port}")
        latencies: list[float] = []
        with Client(settings, name="reader") as reader, Client(settings, name="writer") as writer:
            reader.subscribe(TOPIC)
            reader.wait_subscribed(10)
            writer.wait_connected(10)

            def read() -> None:
                arriving = reader.received
                latencies.extend((time.time() - float(got.payload[:17])) * 1e3 for got in arriving)

            thread = threading.Thread(target=read)
            thread.start()

            def send(payload: bytes) -> None:
                writer.publish(topics.DETECTIONS, TOPIC, payload)

            sent, reached = paced(send, size, rate, seconds)
            time.sleep(0.5)
            reader.received.close()
            thread.join()
        return latencies, sent, reached


class Theirs:
    """mosquitto_pub and mosquitto_sub, which take and give one message a line."""

    name = "mosquitto (C)"

    def run(self, port: int, size: int, rate: int, seconds: float) -> tuple[list[float], int, float]:
        """Latencies in milliseconds, messages sent, and the rate reached."""
        place = ["-p", str(port), "-t", TOPIC, "-V", "5"]
        reader = subprocess.Popen(["mosquitto_sub", *place, "-F", "%U %p"], stdout=subprocess.PIPE)
        writer = subprocess.Popen(["mosquitto_pub", *place, "-l"], stdin=subprocess.PIPE)
        assert reader.stdout is not None
        assert writer.stdin is not None
        pipe_in, pipe_out = writer.stdin, reader.stdout
        latencies: list[float] = []

        def read() -> None:
            for line in pipe_out:
                received, sent = line[:60].split()[:2]
                latencies.append((float(received) - float(sent)) * 1e3)

        thread = threading.Thread(target=read)
        thread.start()
        time.sleep(0.5)

        def send(payload: bytes) -> None:
            pipe_in.write(payload + b"\n")
            pipe_in.flush()

        sent, reached = paced(send, size, rate, seconds)
        time.sleep(0.5)
        pipe_in.close()
        writer.wait()
        reader.terminate()
        reader.wait()
        thread.join()
        return latencies, sent, reached


def measure(client: Ours | Theirs, port: int, size: int, rate: int, seconds: float) -> dict[str, object]:
    """One row of the table."""
    latencies, sent, reached = client.run(port, size, rate, seconds)
    p50, p99 = np.percentile(latencies, [50, 99]).round(2).tolist() if latencies else (None, None)
    row = {
        "client": client.name,
        "bytes": size,
        "rate": rate,
        "reached": round(reached),
        "received": round(len(latencies) / sent, 4),
        "p50_ms": p50,
        "p99_ms": p99,
    }
    print("".join(f"{value!s:>16}" for value in row.values()), flush=True)
    return row


def main() -> None:
    """Run both clients at every load in turn, then push each until it breaks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    port = free_port()
    broker = subprocess.Popen([sys.executable, "-m", "broker", "--engine", "mosquitto", "--port", str(port)])
    rows: list[dict[str, object]] = []
    try:
        wait_for_port(port)
        columns = ("client", "bytes", "rate", "reached", "received", "p50_ms", "p99_ms")
        print("".join(f"{column:>16}" for column in columns))
        for size, rate in LOADS:
            rows.extend(measure(client, port, size, rate, args.seconds) for client in (Ours(), Theirs()))
        print("more and more messages of 1,000 bytes, until one in a hundred is lost or p99 passes 100 ms")
        for client in (Ours(), Theirs()):
            for rate in (2_000, 4_000, 8_000, 16_000, 32_000):
                row = measure(client, port, 1_000, rate, args.seconds / 2)
                rows.append(row)
                if row["received"] < 0.99 or row["p99_ms"] > 100 or row["reached"] < rate * 0.9:  # type: ignore[operator]  # mixed row
                    break
    finally:
        broker.terminate()
        broker.wait()
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
