"""Brokers that are one to their clients, started with the files of examples/fleet."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import psutil

from tests.brokers.kinds import TOOLS
from tests.conftest import REPO, free_port
from tests.faults.processes import Program, broker, wait_for

EXAMPLES = REPO / "examples" / "fleet"
NATS = TOOLS / "venv/bin/nats-server"


class Several(Program):
    """Several brokers or servers of one, and what leads to them; it is killed, started and ended as one.

    Args:
        members: The brokers.
        before: What stands before them and is never killed alone.
        ports: Where clients may connect.
        version: Of MQTT, which all of them speak.
        subscribe_qos: For the key mqtt.subscribe_qos.
    """

    def __init__(
        self,
        folder: Path,
        members: Sequence[Program],
        *,
        before: Sequence[Program] = (),
        ports: Sequence[int],
        version: str,
        subscribe_qos: int = 1,
    ) -> None:
        super().__init__("brokers", [], folder)
        self.members, self._before = list(members), list(before)
        self.ports, self.version, self.subscribe_qos = list(ports), version, subscribe_qos

    @property
    def url(self) -> str:
        """The value for the configuration key mqtt.url."""
        return ",".join(f"mqtt://127.0.0.1:{port}" for port in self.ports)

    @property
    def alive(self) -> bool:
        """Whether all of them run."""
        return all(one.alive for one in self._all)

    @property
    def log(self) -> str:
        """What all of them wrote."""
        return "".join(one.log for one in self._all)

    def victims(self) -> list[psutil.Process]:
        """The processes of all of them."""
        return [process for one in self._all for process in one.victims()]

    @property
    def _all(self) -> list[Program]:
        return [*self.members, *self._before]

    def start(self) -> None:
        """Start those that do not run, and wait until clients can connect."""
        for one in self._all:
            if not one.alive:
                one.start()
        for port in self.ports:
            wait_for(partial(_listens, port), 30, f"a broker listens on port {port}")

    def kill(self) -> None:
        """`kill -9` all of them."""
        for one in self._all:
            one.kill()

    def kill_one(self, member: Program) -> None:
        """`kill -9` one of the brokers."""
        member.kill()
        self.kills += 1

    def settle(self) -> None:
        """Nothing is measured of them."""

    def ask_to_end(self) -> None:
        """SIGTERM all of them."""
        for one in self._all:
            one.ask_to_end()

    def ended(self, begin: float) -> float:
        """Whatever they do then is no concern of this project: those that still run are killed."""
        deadline = begin + 3.0
        while time.monotonic() < deadline and any(one.alive for one in self._all):
            time.sleep(0.05)
        self.kill()
        return time.monotonic() - begin


def nats_cluster(folder: Path) -> Several:
    """Three machines with two NATS servers each, as nats-core.conf and nats-mqtt.conf have them."""
    numbers = (1, 2, 3)
    routes, ports = ([free_port() for _ in numbers] for _ in range(2))
    others = {f"nats://broker{one}:6222": f"nats://127.0.0.1:{routes[one - 1]}" for one in numbers}
    machines = []
    for number, route, port in zip(numbers, routes, ports, strict=True):
        link = {"127.0.0.1:7422": f"127.0.0.1:{free_port()}"}
        core = _nats(folder, "core", number, {"0.0.0.0:6222": f"127.0.0.1:{route}"} | others | link)
        store = {"/var/lib/nats": str(folder / f"mqtt{number}")}
        mqtt = _nats(folder, "mqtt", number, {"0.0.0.0:1883": f"127.0.0.1:{port}"} | store | link)
        machines.append(Several(folder, [core, mqtt], ports=[port], version="3.1.1"))
    return Several(folder, machines, ports=ports, version="3.1.1", subscribe_qos=0)


def _nats(folder: Path, kind: str, number: int, changes: dict[str, str]) -> Program:
    name = f"{kind}{number}"
    client_port = {"core": "127.0.0.1:4222", "mqtt": "127.0.0.1:4223"}[kind]
    text = (EXAMPLES / f"nats-{kind}.conf").read_text()
    text = replaced(text, changes | {f": {kind}1": f": {name}", client_port: f"127.0.0.1:{free_port()}"})
    file = folder / f"{name}.conf"
    file.write_text(text)
    return Program(name, [str(NATS), "-c", str(file)], folder)


def standby(folder: Path) -> Several:
    """Two Mosquittos behind haproxy, as examples/fleet/haproxy-mqtt.cfg has them."""
    ports, port = (free_port(), free_port()), free_port()
    text = replaced(
        (EXAMPLES / "haproxy-mqtt.cfg").read_text(),
        {
            "bind :1883": f"bind 127.0.0.1:{port}",
            "maxconn 20000": "maxconn 1000",
            "10.0.0.11:1883": f"127.0.0.1:{ports[0]}",
            "10.0.0.12:1883": f"127.0.0.1:{ports[1]}",
        },
    )
    (folder / "haproxy.cfg").write_text(text)
    members = []
    for number, one in enumerate(ports, 1):
        own = folder / f"standby{number}"
        own.mkdir()
        members.append(broker(own, "127.0.0.1", one))
    words = [haproxy() or "haproxy", "-db", "-f", str(folder / "haproxy.cfg")]
    return Several(folder, members, before=[Program("haproxy", words, folder)], ports=[port], version="5")


def haproxy() -> str | None:
    """Where haproxy is; None where it is not installed."""
    return shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def replaced(text: str, changes: dict[str, str]) -> str:
    """An example with other names, addresses and folders."""
    for old, new in changes.items():
        if old not in text:
            raise ValueError(f"the example has no {old!r} any more")
        text = text.replace(old, new)
    return text
