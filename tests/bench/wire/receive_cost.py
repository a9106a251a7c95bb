"""What it costs to receive a message: paho's own client against ours, with what a viewer gets.

    python tests/bench/wire/receive_cost.py [--messages 20000]

A socket plays the broker and sends zone numbers (600 bytes, QoS 1) over MQTT 5. Measured is the processor
time of the network thread. Exit code 1 when ours takes more than half of paho's.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import statistics
import sys
import threading
import time
from pathlib import Path

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from shared.mqtt.link.paho_client import PahoClient
from tests.bench.fleet import messages, packets

ROUNDS = 5


def main() -> int:
    """Measure in turn and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=20_000)
    count = parser.parse_args().messages
    took: dict[str, list[float]] = {"paho": [], "ours": []}
    for _ in range(ROUNDS):
        for name, figures in took.items():
            figures.append(1e6 * _receive(name, count) / count)
    medians = {name: statistics.median(figures) for name, figures in took.items()}
    print("microseconds of processor a message: " + ", ".join(f"{n} {m:.1f}" for n, m in medians.items()))
    return int(medians["ours"] > medians["paho"] / 2)


def _receive(name: str, count: int) -> float:
    """Seconds of processor of the network thread."""
    done, spent, began, came = threading.Event(), 0.0, 0.0, 0

    def take(*_: object) -> None:
        nonlocal came, began, spent
        came += 1
        if came == 1:
            began = time.thread_time()
        if came == count:
            spent = time.thread_time() - began
            done.set()

    kind = PahoClient if name == "ours" else paho.Client
    client = kind(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    if isinstance(client, PahoClient):
        client.take = take
        client.give_up_at = float("inf")
    else:
        client.on_message = take
    with socket.create_server(("127.0.0.1", 0)) as server:
        client.connect_async("127.0.0.1", server.getsockname()[1])
        client.loop_start()
        broker, _ = server.accept()
        with broker:
            broker.recv(4096)
            broker.sendall(b"\x20\x03\x00\x00\x00")
            threading.Thread(target=_swallow, args=(broker,), daemon=True).start()
            broker.sendall(_numbers(count))
            done.wait(120)
            client.loop_stop()
    return spent


def _numbers(count: int) -> bytes:
    head = messages.heads("shop")[messages.PATH]
    fields = dict.fromkeys(
        (b"published_us", b"captured_us", b"seq", b"started_us", b"entered", b"exited", b"occupancy"), 1
    )
    payload = messages.PATH.fill({**fields, b"node": b"shop", b"session": b"s"})
    return b"".join(packets.publish(head, payload, number % 60_000 + 1) for number in range(count))


def _swallow(broker: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while broker.recv(65_536):
            pass


if __name__ == "__main__":
    sys.exit(main())
