"""Networks that can be made bad: a proxy with a delay and a rate, and a cable that can be cut."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator

CHUNK = 4096
LINE_BYTES = 32_768
"""Bytes that may be on their way through the proxy in one direction; then the sender has to wait."""


class Proxy:
    """Passes TCP on to the broker; `with` opens and closes it.

    Args:
        host: The broker's host.
        port: The broker's port.

    Attributes:
        delay_s: How long each byte is on its way, in each direction.
        bytes_per_s: The most bytes a second, in each direction; None for no limit.
        swallowing: Whether bytes go in and none come out, without an error at either end. Without a
            network of its own, nothing comes nearer to a cut cable.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._server = socket.socket()
        # A link holds no megabytes, and takes packets of an Ethernet's size where loopback's are of 64 KB.
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LINE_BYTES)
        self._server.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1448)
        self._server.bind(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self.port = int(self._server.getsockname()[1])
        self.delay_s = 0.0
        self.bytes_per_s: float | None = None
        self.swallowing = False

    def __enter__(self) -> Proxy:
        self._server.listen()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.close()
        self.hang_up()

    def hang_up(self) -> None:
        """End all connections: what was swallowed cannot be put back."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                near, _ = self._server.accept()
                near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    far = socket.create_connection(self._target, timeout=3)
                except OSError:
                    near.close()
                    continue
                far.settimeout(None)
                far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._pairs.append((near, far))
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        """One direction: read while there is room on the line, and pass bytes on when their delay is over."""
        line: deque[tuple[float, bytes]] = deque()
        changed = threading.Condition()
        sender = threading.Thread(target=self._deliver, args=(line, changed, target), daemon=True)
        sender.start()
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                if self.swallowing:
                    continue
                with changed:
                    changed.wait_for(lambda: sum(len(piece) for _, piece in line) < LINE_BYTES)
                    line.append((time.monotonic() + self.delay_s, data))
                    changed.notify_all()
        with changed:
            line.append((time.monotonic() + self.delay_s, b""))
            changed.notify_all()
        sender.join()
        for end in (source, target):
            end.close()

    def _deliver(
        self, line: deque[tuple[float, bytes]], changed: threading.Condition, target: socket.socket
    ) -> None:
        with contextlib.suppress(OSError):
            while True:
                with changed:
                    changed.wait_for(lambda: bool(line))
                    due, data = line[0]
                # In steps, because the delay may be lifted meanwhile.
                while self.delay_s and (left := due - time.monotonic()) > 0:
                    time.sleep(min(left, 0.05))
                if not data:
                    break
                if self.bytes_per_s:
                    time.sleep(len(data) / self.bytes_per_s)
                if not self.swallowing:
                    target.sendall(data)
                with changed:
                    line.popleft()
                    changed.notify_all()
        with changed:
            line.clear()
            changed.notify_all()
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


class Cable:
    """A network namespace at the other end of a pair of virtual devices; needs root, ip and iptables.

    Attributes:
        host: The address of the near end, where the broker must listen.
        prefix: The beginning of a command that is to run at the far end.
    """

    def __init__(self) -> None:
        number = os.getpid() % 16_000
        self._name = f"faults-{number}"
        self._near, self._far = f"fa{number}", f"fb{number}"
        subnet = f"10.213.{number // 64}.{number % 64 * 4}"
        base, last = subnet.rsplit(".", 1)
        self.host, self._peer = f"{base}.{int(last) + 1}", f"{base}.{int(last) + 2}"
        self.prefix = ["ip", "netns", "exec", self._name]

    def __enter__(self) -> Cable:
        try:
            _run("ip", "netns", "add", self._name)
            _run("ip", "link", "add", self._near, "type", "veth", "peer", "name", self._far)
            _run("ip", "link", "set", self._far, "netns", self._name)
            _run("ip", "addr", "add", f"{self.host}/30", "dev", self._near)
            _run("ip", "link", "set", self._near, "up")
            _run(*self.prefix, "ip", "addr", "add", f"{self._peer}/30", "dev", self._far)
            for device in ("lo", self._far):
                _run(*self.prefix, "ip", "link", "set", device, "up")
            _run(*self.prefix, "iptables", "-L", "-n")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        for words in (("ip", "netns", "del", self._name), ("ip", "link", "del", self._near)):
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                _run(*words)

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        """Let both ends drop what arrives, without an error at either."""
        here: list[str] = []
        ends = (self.prefix, ["INPUT"]), (here, ["INPUT", "-i", self._near])
        for begin, rule in ends:
            _run(*begin, "iptables", "-I", *rule, "-j", "DROP")
        try:
            yield
        finally:
            for begin, rule in ends:
                _run(*begin, "iptables", "-D", *rule, "-j", "DROP")


def cable_possible() -> bool:
    """Whether this machine lets us make a cable."""
    if os.geteuid() != 0 or not (shutil.which("ip") and shutil.which("iptables")):
        return False
    try:
        with Cable():
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
