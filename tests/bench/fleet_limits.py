"""What the limits of a fleet cost: a broker's idle connections, a viewer's census, and each node's boots.

    python tests/bench/fleet_limits.py [--connections 4000] [--nodes 10000] [--boots 10]

Prints one line for each. The numbers of docs/how-to/fleet.md come from here.
"""

from __future__ import annotations

import argparse
import logging
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the repository, when run as a script

from broker import certificates, open_files
from broker.__main__ import command
from shared.wire.messages import Event, now_us
from tests.conftest import free_port, wait_for_port
from tests.viewer_server import wire
from viewer_server.config import HistorySettings, QuotaSettings
from viewer_server.live.hub import Hub
from viewer_server.live.state import State
from viewer_server.quotas import Quotas
from viewer_server.stored.history import History

TOPICS = ("request/+", "ack/+", "interest/+")
"""What a node subscribes to."""


def connections(count: int, folder: Path, tls: bool) -> str:
    """Memory of Mosquitto for each idle MQTT 5 client with a node's subscriptions."""
    port = free_port()
    words = command("mosquitto", "127.0.0.1", port, None, folder, connections=count)
    context = None
    if tls:
        certificates.main([str(folder), "--host", "localhost"])
        config = folder / "mosquitto.conf"
        files = f"certfile {folder}/server.crt\nkeyfile {folder}/server.key\nuser root\n"
        config.write_text(config.read_text().replace("user mosquitto\n", "") + files)
        context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with ExitStack() as stack:
            wait_for_port(port)
            memory = psutil.Process(process.pid).memory_info
            before = memory().rss
            for number in range(count):
                stack.enter_context(_idle(port, number, context))
            each = (memory().rss - before) / count / 1000
    finally:
        process.kill()
        process.wait()
    return f"{count} idle connections{' with TLS' * tls}: {each:.1f} kB each"


def _idle(port: int, number: int, context: ssl.SSLContext | None) -> socket.socket:
    plain = socket.create_connection(("127.0.0.1", port))
    client = plain if context is None else context.wrap_socket(plain, server_hostname="localhost")
    name = f"node-{number:08d}".encode()
    _send(client, 0x10, b"\x00\x04MQTT\x05\x02\x00\x00\x00" + _text(name))
    for one in TOPICS:
        _send(client, 0x82, b"\x00\x01\x00" + _text(f"darner/v1/node{number}/{one}".encode()) + b"\x01")
    return client


def _send(client: socket.socket, kind: int, body: bytes) -> None:
    client.sendall(bytes([kind, len(body)]) + body)  # shorter than 128 bytes
    client.recv(256)


def _text(text: bytes) -> bytes:
    return len(text).to_bytes(2, "big") + text


def census(nodes: int) -> str:
    """What a question for the viewer's health costs under the hub's lock."""
    hub = Hub(State("darner/v1", Quotas(QuotaSettings(nodes=nodes))), 1, {})
    for number in range(nodes):
        name = f"node{number}"
        for message in (wire.status(name), wire.info("a", of=name), wire.camera("a", name)):
            hub.handle(message)
    return f"census of {nodes} nodes: {_median_us(hub.census):.0f} us"


def _median_us(call: Callable[[], object]) -> float:
    took = []
    for _ in range(50):
        begin = time.thread_time()
        call()
        took.append(time.thread_time() - begin)
    return statistics.median(took) * 1e6


def boots(nodes: int, each: int, folder: Path) -> str:
    """Whether every start of every node is stored, with what time and memory."""
    settings, quotas = HistorySettings(path=str(folder / "h.db")), Quotas(QuotaSettings(nodes=nodes))
    now, newest, memory = now_us(), dict[str, str](), psutil.Process().memory_info
    before, begin = memory().rss, time.process_time()
    with History(settings, quotas=quotas) as history:
        for boot in range(each):
            for number in range(nodes):
                history.add(_first_event(f"node{number}", f"b{boot:06d}", now))
                if number % 500 == 499 or number == nodes - 1:
                    newest |= {mark.node: mark.boot for mark in history.commit()}
    took_us = (time.process_time() - begin) / (nodes * each) * 1e6
    stored = sum(boot == f"b{each - 1:06d}" for boot in newest.values())
    grown = (memory().rss - before) / 1e6
    return (
        f"{each} boots of {nodes} nodes: the newest of {stored} stored, {took_us:.0f} us each, {grown:.0f} MB"
    )


def _first_event(node: str, boot: str, now: int) -> Event:
    return Event(
        node=node, session=boot, published_us=now, camera="c", seq=1, captured_us=now, boot=boot, number=1,
        oldest=1, event_id=f"{node}-{boot}", type="zone_entered", occurred_us=now, zone="door",
    )  # fmt: skip


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--connections", type=int, default=4000)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--boots", type=int, default=10)
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="darner-bench-") as folder:  # first, while this process is small
        print(boots(given.nodes, given.boots, Path(folder)), flush=True)
    print(census(given.nodes), flush=True)
    open_files.allow(2 * given.connections, 1, asked=True)  # the clients are in this process
    for tls in (False, True):
        with tempfile.TemporaryDirectory(prefix="darner-bench-") as folder:
            Path(folder).chmod(0o755)
            print(connections(given.connections, Path(folder), tls), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
