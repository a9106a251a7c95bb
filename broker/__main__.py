"""`darner-broker`: an MQTT broker for a demo, a test or a single box.

It runs Mosquitto if that is installed, otherwise rumqttd from the PyPI package `iotcore`. rumqttd speaks only
MQTT 5 and keeps nothing on disk, so it is not for production. Either is a process of its own that ends with
this one. `darner-broker certificates` makes a private CA and certificates, `darner-broker roles` prints the
access control list.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from broker import account, certificates, open_files, roles
from shared import log as logs
from shared.errors import BrokerError, ConfigError, DarnerError
from shared.files import make_private
from shared.program import Parser, called
from shared.signals import stop_on_signals

log = logging.getLogger("darner.broker")

HERE = Path(__file__).parent
START_WITHIN_S = 10.0
STOP_WITHIN_S = 4.0
"""Seconds after which the broker is killed: a process that hangs does not react to SIGTERM."""
CONNECTIONS = 1000
"""Connections of each port that our configurations allow."""
MOST_CONNECTIONS = 100_000
ROOM_OF_A_CLIENT = {"max_queued_messages": 20, "max_queued_bytes": 16_384, "memory_limit": 65_536}
"""What Mosquitto's limits are for each client where that is more than in our configurations."""
LOOK_EVERY_S = 0.2
"""How soon it is noticed that the broker has ended by itself, seconds."""
TOOLS = {"certificates": certificates.main, "roles": roles.main}
"""Programs that are called by a first word."""
_CERTIFICATES = "python -m broker.certificates {folder} --host NAME"
SECRETS = {
    "ca.crt": _CERTIFICATES,
    "server.crt": _CERTIFICATES,
    "server.key": _CERTIFICATES,
    "passwords": "mosquitto_passwd -c {folder}/passwords viewer",
}
"""The files that a secure broker needs, each with the command that makes it."""


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run; return the process's exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    if given and given[0] in TOOLS:
        return TOOLS[given[0]](given[1:])
    parser = Parser(prog=called("darner-broker", "broker"), description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, help="port to listen on (default 1883, with --secure 8883)")
    parser.add_argument(
        "--data", type=Path, help="folder for messages that must survive a restart (Mosquitto only)"
    )
    parser.add_argument("--engine", choices=["auto", "mosquitto", "rumqttd"], default="auto")
    parser.add_argument(
        "--secure",
        type=Path,
        metavar="FOLDER",
        help="take TLS, passwords and roles from this folder; the next port takes client certificates",
    )
    parser.add_argument(
        "--user",
        metavar="NAME",
        help=f"when root starts it: the user that Mosquitto becomes (default {account.USER})",
    )
    parser.add_argument(
        "--max-connections",
        type=int,
        metavar="N",
        help=f"clients of a port at a time (default {CONNECTIONS}); each node, viewer and tool is one",
    )
    options = parser.parse_args(given)
    options.port = options.port or (8883 if options.secure else 1883)
    logs.setup()
    try:
        connections = checked(options.max_connections)
        open_files.allow(connections, 2 if options.secure else 1, options.max_connections is not None)
        check_free(options.host, options.port)
        if options.secure:
            check_free(options.host, options.port + 1)
        engine = choose("mosquitto" if options.secure else options.engine)
        with tempfile.TemporaryDirectory(prefix="darner-broker-") as folder:
            Path(folder).chmod(0o755)  # Mosquitto started by root reads it as another user
            words = command(
                engine,
                options.host,
                options.port,
                options.data,
                Path(folder),
                secure=options.secure,
                user=options.user,
                connections=connections,
            )
            return run(words, engine, options)
    except DarnerError as error:
        log.error("%s", error)
        return error.exit_code


def checked(connections: int | None) -> int:
    """How many clients a port takes.

    Raises:
        ConfigError: It is no number of clients that a broker can have.
    """
    if connections is not None and not 1 <= connections <= MOST_CONNECTIONS:
        raise ConfigError(f"--max-connections {connections}: expected 1 to {MOST_CONNECTIONS}")
    return connections or CONNECTIONS


def check_free(host: str, port: int) -> None:
    """Make sure that nothing listens on a port.

    Raises:
        ConfigError: The port is taken, or this user may not use it.
    """
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"MQTT port {port} on {host} cannot be used: {error}; choose another with --port"
        ) from None


def choose(engine: str) -> str:
    """The broker to run.

    Raises:
        ConfigError: That broker is not installed, or none is.
    """
    found = {
        "mosquitto": mosquitto() is not None,
        "rumqttd": importlib.util.find_spec("iotcore") is not None,
    }
    for name, there in found.items():
        if there and engine in ("auto", name):
            return name
    raise ConfigError("no MQTT broker is installed: apt install mosquitto, or install 'darner[broker]'")


def mosquitto() -> str | None:
    """Path of the Mosquitto program; Debian puts it in a folder that only root has in its PATH."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def command(
    engine: str,
    host: str,
    port: int,
    data: Path | None,
    folder: Path,
    *,
    secure: Path | None = None,
    user: str | None = None,
    connections: int = CONNECTIONS,
) -> list[str]:
    """Write the broker's configuration into `folder`; return the command that runs it.

    Raises:
        ConfigError: A file is missing from the folder `secure`, or Mosquitto's user cannot be had.
    """
    if engine == "mosquitto":
        becomes = account.of(user)
        if secure is None:
            text = (HERE / "mosquitto.conf").read_text()
        else:
            text = secured(secure, host, port, folder / "secure" if becomes else None)
        if secure is not None and becomes is not None:
            acl = secure / "acl" if (secure / "acl").exists() else HERE / "acl"
            account.lend([*(secure / name for name in SECRETS), acl], folder / "secure", becomes)
        text = text.replace("listener 1883", f"listener {port} {host}")
        text = sized(text, connections)
        if data is None:
            text = re.sub(r"^(persistence|autosave).*\n", "", text, flags=re.MULTILINE)
        else:
            data.mkdir(parents=True, exist_ok=True)
            if becomes is not None:
                account.give(data, becomes)
            text = text.replace("/mosquitto/data/", f"{data.resolve()}/")
        if becomes is not None:
            text += f"user {becomes.pw_name}\n"
        config = folder / "mosquitto.conf"
        config.write_text(text)
        return [str(mosquitto()), "-c", str(config)]
    if data is not None:
        log.warning("--data %s: not used, because rumqttd keeps nothing on disk; install Mosquitto", data)
    config = folder / "rumqttd.toml"
    text = (HERE / "rumqttd.toml").read_text().replace("127.0.0.1:1883", f"{host}:{port}")
    config.write_text(text.replace(f"max_connections = {CONNECTIONS}", f"max_connections = {connections}"))
    return [sys.executable, "-m", "iotcore", "--config", str(config), "--log-level", "CRITICAL"]


def sized(text: str, connections: int) -> str:
    """Mosquitto's configuration with room for so many clients, and for what they retain."""
    text = text.replace(f"max_connections {CONNECTIONS}", f"max_connections {connections}")
    for key, each in ROOM_OF_A_CLIENT.items():
        found = re.search(rf"^{key} (\d+)$", text, re.MULTILINE)
        if found and connections * each > int(found[1]):
            text = text.replace(found[0], f"{key} {connections * each}")
    return text


def secured(secure: Path, host: str, port: int, lent: Path | None = None) -> str:
    """The configuration of a broker on a network with other people.

    Args:
        secure: Folder with ca.crt, server.crt, server.key, passwords and, unless ours is used, acl.
        host: Address to listen on.
        port: Port for users with passwords; the next one is for client certificates.
        lent: Folder with copies of these files for the user that Mosquitto becomes, if it becomes another.

    Raises:
        ConfigError: One of the files is missing.
    """
    for name, remedy in SECRETS.items():
        if not (secure / name).is_file():
            raise ConfigError(f"{secure / name} is missing: {remedy.format(folder=secure)}")
    for name in ("passwords", "server.key"):
        make_private(secure / name)  # mosquitto_passwd leaves what it makes readable by all
    text = (HERE / "mosquitto-secure.conf").read_text()
    if lent is None and not (secure / "acl").exists():
        text = text.replace("/mosquitto/config/acl", str(HERE / "acl"))
    text = text.replace("/mosquitto/config/", f"{lent or secure.resolve()}/")
    for number, name in ((port, "8883"), (port + 1, "8884")):
        text = text.replace(f"listener {name}\n", f"listener {number} {host}\n")
    return text


def run(words: list[str], engine: str, options: argparse.Namespace) -> int:
    """Run the broker until SIGTERM or SIGINT.

    Raises:
        BrokerError: The broker ended by itself, or does not listen.
    """
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)  # noqa: S603 - a program found above
    try:
        with stop_on_signals(at_once=process.kill) as stop:
            wait_until_listening(process, options.host, options.port, stop)
            if not stop.is_set():
                log.info("%s listens on %s:%d", engine, options.host, options.port)
            while process.poll() is None and not stop.wait(LOOK_EVERY_S):
                pass
            stopping = stop.is_set()
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_WITHIN_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if stopping:
        return 0
    raise BrokerError(f"{engine} ended by itself with exit code {process.returncode}")


def wait_until_listening(
    process: subprocess.Popen[bytes], host: str, port: int, stop: threading.Event
) -> None:
    """Wait until the broker accepts connections or has ended, or `stop` is set.

    Raises:
        BrokerError: It did neither in time.
    """
    deadline = time.monotonic() + START_WITHIN_S
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    while process.poll() is None and not stop.is_set():
        try:
            socket.create_connection((target, port), timeout=1.0).close()
        except OSError:
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"the broker does not listen on {host}:{port} after {START_WITHIN_S:.0f} s"
                ) from None
            stop.wait(0.05)
        else:
            return


if __name__ == "__main__":
    sys.exit(main())
