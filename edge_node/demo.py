"""`python -m edge_node.demo`: run broker, edge node and viewer on a real video, until Ctrl-C.

Environment variables: DEMO_SOURCE (a video, camera or URL to show instead of the sample), DEMO_MQTT_PORT,
DEMO_HTTP_PORT, and DEMO_SECONDS (the demo stops after this many seconds).
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from edge_node.assets.samples import find_video
from edge_node.config.sources import check_source, kind_of, path_of
from shared import log as logs
from shared.errors import ConfigError, DarnerError
from shared.signals import stop_on_signals

log = logging.getLogger("darner.demo")

CONFIG = Path(__file__).with_name("demo.yaml")
START_WITHIN_S = 30.0
_started: list[subprocess.Popen[bytes]] = []


def main() -> int:
    """Run the demo; the process's exit code."""
    logs.setup()
    try:
        with stop_on_signals(at_once=kill_all) as stop:
            return run(stop)
    except DarnerError as error:
        log.error("%s", error)
        return error.exit_code


def run(stop: threading.Event) -> int:
    """Start the three programs, wait, and stop them.

    Raises:
        DarnerError: A port is taken, there is no video, or a program ended by itself.
    """
    mqtt_port, http_port = port("DEMO_MQTT_PORT", 1883), port("DEMO_HTTP_PORT", 8080)
    seconds = number("DEMO_SECONDS")
    source = find_source(os.environ.get("DEMO_SOURCE"))
    broker = f"mqtt.url=mqtt://127.0.0.1:{mqtt_port}"
    programs = {
        "broker": ("--port", str(mqtt_port)),
        "viewer_server": ("--set", broker, "--set", f"http.port={http_port}"),
        "edge_node": (
            *("--config", str(CONFIG), "--set", broker),
            *("--set", f"cameras.street.source={source}"),
        ),
    }
    with ExitStack() as parts:
        # The programs keep their state in a folder that is deleted at the end: a demo leaves nothing behind.
        os.environ["DARNER_STATE"] = parts.enter_context(tempfile.TemporaryDirectory(prefix="darner-demo-"))
        running = {name: parts.enter_context(part(name, *words)) for name, words in programs.items()}
        address = f"http://127.0.0.1:{http_port}/"
        if wait_until_answers(f"{address}health", running, stop):
            print(f"\n  Darner is running: open {address}\n", flush=True)
            print(
                f"  MQTT: mosquitto_sub -p {mqtt_port} -v -t 'darner/v1/#' -T '+/+/+/+/+/thumbnail' "
                "-T '+/+/+/+/+/snapshot/+'",
                flush=True,
            )
            print("  Stop: Ctrl-C\n", flush=True)
        deadline = time.monotonic() + seconds if seconds else None
        while not stop.wait(0.5) and (deadline is None or time.monotonic() < deadline):
            check_alive(running)
            if running["broker"].poll() is not None and is_free(mqtt_port):
                log.warning(
                    "the broker has ended: starting it again; the other programs reconnect by themselves"
                )
                running["broker"] = parts.enter_context(part("broker", *programs["broker"]))
    log.info("demo stopped")
    return 0


def port(variable: str, default: int) -> int:
    """A free TCP port from an environment variable.

    Raises:
        ConfigError: The variable holds no port number, or something listens on the port.
    """
    text = os.environ.get(variable) or str(default)
    try:
        chosen = int(text)
        bind(chosen)
    except (ValueError, OverflowError):
        raise ConfigError(f"{variable}={text}: not a port number (0 to 65535)") from None
    except OSError as error:
        raise ConfigError(
            f"port {text} cannot be used ({error.strerror}); choose another with {variable}=..."
        ) from None
    return chosen


def bind(chosen: int) -> None:
    """Listen on a TCP port of loopback for a moment.

    Raises:
        OSError: Something else listens on it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", chosen))


def is_free(chosen: int) -> bool:
    """Whether nothing listens on a port; somebody may have started another broker there."""
    try:
        bind(chosen)
    except OSError:
        return False
    return True


def number(variable: str) -> float:
    """Seconds from an environment variable, 0 when it is not set.

    Raises:
        ConfigError: The variable holds no number, or a negative one.
    """
    text = os.environ.get(variable) or "0"
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if value < 0:
        raise ConfigError(f"{variable}={text}: expected a number of seconds, such as {variable}=20")
    return value


def find_source(given: str | None) -> str:
    """The given source, or the sample video where none is given.

    Raises:
        SourceError: The given file is missing, or the sample cannot be downloaded.
    """
    if not given:
        return str(find_video())
    check_source("street", given)
    path = path_of(given)
    return given if path is None or kind_of(given) == "device" else path


@contextmanager
def part(name: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """One of Darner's programs as a process; at the end it is asked to stop, and killed if it does not."""
    # In a session of its own, so that Ctrl-C reaches only the demo, which then stops the programs in order.
    process = subprocess.Popen([sys.executable, "-m", name, *arguments], start_new_session=True)  # noqa: S603 - our own
    _started.append(process)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(6)
        except subprocess.TimeoutExpired:
            log.warning("%s did not stop and was killed", name)
        _kill(process)
        process.wait()


def kill_all() -> None:
    """Kill every program that was started."""
    for process in _started:
        _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):  # the whole session, such as the broker's own process
        os.killpg(process.pid, signal.SIGKILL)


def check_alive(running: dict[str, subprocess.Popen[bytes]]) -> None:
    """Make sure that no program but the broker has ended by itself.

    Raises:
        DarnerError: One has ended; its own messages say why.
    """
    for name, process in running.items():
        if name != "broker" and process.poll() is not None:
            raise DarnerError(f"{name} ended with exit code {process.returncode}; its messages above say why")


def wait_until_answers(url: str, running: dict[str, subprocess.Popen[bytes]], stop: threading.Event) -> bool:
    """Wait until the viewer answers.

    Returns:
        False when `stop` was set first.

    Raises:
        DarnerError: A program has ended, or the viewer does not answer in time.
    """
    deadline = time.monotonic() + START_WITHIN_S
    while not stop.is_set():
        check_alive(running)
        try:
            urllib.request.urlopen(url, timeout=1).close()  # noqa: S310 - our own address on loopback
        except (OSError, urllib.error.URLError):
            if time.monotonic() > deadline:
                raise DarnerError(
                    f"the viewer did not answer at {url} within {START_WITHIN_S:.0f} s"
                ) from None
            stop.wait(0.1)
        else:
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
