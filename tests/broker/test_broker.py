from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import psutil
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from broker.__main__ import HERE, choose, command, main
from shared.errors import ConfigError
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.wire import topics
from tests.conftest import REPO, free_port, wait_for_port, wait_until


def as_root() -> str | None:
    """The tests' folders are closed to everybody but root."""
    return "root" if os.geteuid() == 0 else None


@contextmanager
def running(*arguments: str, port: int) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "broker", "--port", str(port), *arguments], stderr=subprocess.PIPE, text=True
    )
    try:
        wait_for_port(port)
        yield process
    finally:
        process.terminate()  # a kill would leave the broker behind
        process.communicate()


@pytest.mark.parametrize("engine", ["mosquitto", "rumqttd"])
def test_each_engine_retains_a_large_message_and_stops_when_asked(engine: str) -> None:
    port = free_port()
    with running("--engine", engine, port=port) as process:
        settings = MqttSettings(url=f"mqtt://127.0.0.1:{port}")
        with Client(settings, name="a") as writer, Client(settings, name="b") as reader:
            assert writer.wait_connected(30)
            writer.set_state(topics.STATUS, "darner/v1/n/status", bytes(900_000))
            assert writer.finish(30)
            reader.subscribe("darner/v1/+/status", 1)
            got = reader.received.get(30)
            assert (len(got.payload), got.retain) == (900_000, True)
        assert process.stderr is not None
        assert any(f"{engine} listens on 127.0.0.1:{port}" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode == 0


def test_a_broker_that_is_frozen_is_stopped_all_the_same() -> None:
    port = free_port()
    run = (
        "import sys, broker.__main__ as broker; broker.STOP_WITHIN_S = 0.2; "
        f"sys.exit(broker.main(['--engine', 'mosquitto', '--port', '{port}']))"
    )
    process = subprocess.Popen([sys.executable, "-c", run], stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port)
        (mosquitto,) = psutil.Process(process.pid).children()
        mosquitto.suspend()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert not mosquitto.is_running()
    finally:
        process.terminate()
        process.wait(60)


def test_the_broker_may_have_as_many_files_open_as_it_takes_connections() -> None:
    port = free_port()
    few = "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 8192)); "
    run = f"from broker.__main__ import main; sys.exit(main(['--port', '{port}']))"
    process = subprocess.Popen([sys.executable, "-c", few + run], stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port)
        [mosquitto] = psutil.Process(process.pid).children()
        limits = Path(f"/proc/{mosquitto.pid}/limits").read_text()
        found = re.search(r"Max open files\s+(\d+)", limits)
        assert found is not None
        assert int(found[1]) >= 2100
    finally:
        process.terminate()
        process.wait(60)


def test_a_fleet_gets_as_many_connections_as_are_asked_for(tmp_path: Path) -> None:
    for engine, line in (("mosquitto", "max_connections 12000"), ("rumqttd", "max_connections = 12000")):
        folder = tmp_path / engine
        folder.mkdir()
        command(engine, "127.0.0.1", free_port(), None, folder, connections=12_000)
        [config] = folder.iterdir()
        assert line in config.read_text().splitlines()
    lines = (tmp_path / "mosquitto" / "mosquitto.conf").read_text().splitlines()
    assert {"max_queued_messages 240000", "max_queued_bytes 196608000", "memory_limit 786432000"} <= {*lines}


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (
            "6000",
            "6000 connections on 1 port need 6100 open files, and this system allows 5000: raise its limit",
        ),
        ("0", "--max-connections 0: expected 1 to 100000"),
    ],
)
def test_connections_that_the_system_does_not_allow_are_refused_in_one_line(asked: str, says: str) -> None:
    few = "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 5000)); "
    run = f"from broker.__main__ import main; sys.exit(main(['--max-connections', '{asked}']))"
    done = subprocess.run(
        [sys.executable, "-c", few + run], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == ConfigError.exit_code
    assert re.search(says, done.stderr)


def test_a_second_stop_ends_a_broker_that_is_frozen_at_once() -> None:
    port = free_port()
    with running("--engine", "mosquitto", port=port) as process:
        (mosquitto,) = psutil.Process(process.pid).children()
        mosquitto.suspend()
        process.send_signal(signal.SIGTERM)
        time.sleep(0.4)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
        wait_until(lambda: not mosquitto.is_running() or mosquitto.status() == psutil.STATUS_ZOMBIE)


def test_a_taken_port_is_one_clear_line_and_a_failure() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = subprocess.run(
            [sys.executable, "-m", "broker", "--port", str(port)], capture_output=True, text=True, timeout=60
        )
    assert result.returncode == 2
    assert f"port {port}" in result.stderr
    assert "Traceback" not in result.stderr


def test_what_is_saved_survives_kill_9_when_a_folder_is_given(tmp_path: Path) -> None:
    port = free_port()
    settings = MqttSettings(url=f"mqtt://127.0.0.1:{port}")
    words = command("mosquitto", "127.0.0.1", port, tmp_path / "data", tmp_path, user=as_root())
    first = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    wait_for_port(port)
    with Client(settings, name="a") as writer:
        assert writer.wait_connected(30)
        writer.set_state(topics.STATUS, "darner/v1/n/status", b"kept")
        assert writer.finish(30)
    first.send_signal(signal.SIGUSR1)  # "save now", instead of a minute's wait
    wait_until((tmp_path / "data" / "mosquitto.db").exists)
    first.kill()
    first.wait()
    second = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    wait_for_port(port)
    with Client(settings, name="b") as reader:
        reader.subscribe("darner/v1/#", 1)
        assert reader.received.get(30).payload == b"kept"
    second.kill()
    second.wait()


def test_a_client_that_fills_the_memory_is_cut_off_and_the_others_go_on(tmp_path: Path) -> None:
    port = free_port()
    words = command("mosquitto", "127.0.0.1", port, None, tmp_path)
    config = tmp_path / "mosquitto.conf"
    config.write_text(config.read_text().replace("memory_limit 536870912", "memory_limit 20000000"))
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    wait_for_port(port)
    settings = MqttSettings(url=f"mqtt://127.0.0.1:{port}")
    with Client(settings, name="evil") as evil, Client(settings, name="shop") as shop:
        assert evil.wait_connected(30)
        assert shop.wait_connected(30)
        for number in range(40):
            evil.set_state(topics.ZONE, f"darner/v1/evil/camera/c/zone/z{number}", bytes(900_000))
        wait_until(lambda: evil.connections > 1 or not evil.connected)
        assert psutil.Process(process.pid).memory_info().rss < 60_000_000
        shop.set_state(topics.STATUS, "darner/v1/shop/status", b"{}")
        assert shop.finish(30)
        assert shop.connections == 1
    process.kill()
    process.wait()


def test_an_installation_makes_certificates_and_roles_with_the_same_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["certificates", str(tmp_path), "--host", "localhost"]) == 0
    assert (tmp_path / "server.crt").exists()
    capsys.readouterr()
    assert main(["roles", "--prefix", "a/v1"]) == 0
    assert "pattern write a/v1/%u/status" in capsys.readouterr().out


def test_no_broker_at_all_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broker.__main__.mosquitto", lambda: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="apt install mosquitto"):
        choose("auto")


@contextmanager
def reading(port: int, came: list[bytes]) -> Iterator[None]:
    """A subscriber whose session the broker keeps while it is away."""
    subscribed = threading.Event()
    reader = paho.Client(CallbackAPIVersion.VERSION2, "stranger", clean_session=False)
    reader.on_subscribe = lambda *_: subscribed.set()
    reader.on_message = lambda _, __, message: came.append(bytes(message.payload))
    reader.connect("127.0.0.1", port)
    reader.loop_start()
    reader.subscribe("darner/v1/#", 1)
    assert subscribed.wait(30)
    yield
    reader.disconnect()
    reader.loop_stop()


def test_a_reader_that_was_away_gets_all_that_an_outage_left_behind() -> None:
    """More than the 1,000 messages at which Mosquitto's default begins to drop in silence."""
    port, came = free_port(), list[bytes]()
    with running("--engine", "mosquitto", port=port):
        with reading(port, came):
            pass
        with Client(MqttSettings(url=f"mqtt://127.0.0.1:{port}"), name="a") as writer:
            assert writer.wait_connected(30)
            for number in range(1500):
                payload = str(number).encode()
                while not writer.publish(topics.EVENTS, "darner/v1/n/camera/c/events", payload):
                    time.sleep(0.01)  # the queue is full
            assert writer.finish(30)
        with reading(port, came):
            wait_until(lambda: len(came) == 1500)
    assert came == [str(number).encode() for number in range(1500)]


@pytest.mark.parametrize("name", ["mosquitto.conf", "mosquitto-secure.conf"])
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("set_tcp_nodelay true", "else 10-20 ms are added at p95"),
        (
            "autosave_interval 60",
            "30 minutes by default, and at every change a write of all that is retained",
        ),
        ("memory_limit 536870912", "else one client takes the machine's memory with retained messages"),
        ("max_packet_size 1048576", "else one message may be 256 MB"),
        ("max_queued_messages 100000", "1,000 by default; beyond it QoS 1 is dropped in silence"),
        ("max_queued_bytes 67108864", "else absent subscribers fill the memory"),
    ],
)
def test_a_production_broker_is_set_against_the_traps_that_were_measured(
    name: str, line: str, reason: str
) -> None:
    lines = (HERE / name).read_text().splitlines()
    assert line in lines, reason
    assert "autosave_on_changes true" not in lines
    assert "max_connections " in (HERE / name).read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
class TestStartedByRoot:
    """Mosquitto never stays root, and gets what it needs as its own user."""

    @pytest.fixture
    def folder(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="darner-test-") as name:
            Path(name).chmod(0o755)
            yield Path(name)

    def test_it_keeps_its_data_as_its_own_user(self, folder: Path) -> None:
        port = free_port()
        with running("--data", str(folder / "data"), port=port) as process:
            (mosquitto,) = psutil.Process(process.pid).children()
            assert mosquitto.username() == "mosquitto"
            settings = MqttSettings(url=f"mqtt://127.0.0.1:{port}")
            with Client(settings, name="a") as writer:
                assert writer.wait_connected(30)
                writer.set_state(topics.STATUS, "darner/v1/n/status", b"kept")
                assert writer.finish(30)
        with running("--data", str(folder / "data"), port=port), Client(settings, name="b") as reader:
            reader.subscribe("darner/v1/n/status", 1)
            assert reader.received.get(30).payload == b"kept"

    def test_a_folder_that_its_user_cannot_reach_is_one_clear_line(self, folder: Path) -> None:
        closed = folder / "closed"
        closed.mkdir(mode=0o700)
        with pytest.raises(ConfigError, match=r"data: the user mosquitto.* cannot write there; choose"):
            command("mosquitto", "127.0.0.1", free_port(), closed / "data", folder)

    def test_a_folder_with_other_files_keeps_its_owner(self, folder: Path) -> None:
        home = folder / "home"
        home.mkdir()
        (home / "letter").touch()
        with pytest.raises(ConfigError, match=r"holds other files, such as letter, .*; name a folder of its"):
            command("mosquitto", "127.0.0.1", free_port(), home, folder)
        assert (home.stat().st_uid, (home / "letter").stat().st_uid) == (0, 0)

    def test_a_user_that_does_not_exist_is_refused(self, folder: Path) -> None:
        with pytest.raises(ConfigError, match="no such user"):
            command("mosquitto", "127.0.0.1", free_port(), None, folder, user="nobody-of-this-name")

    def test_root_is_possible_and_warned_of(self, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
        command("mosquitto", "127.0.0.1", free_port(), folder / "data", folder, user="root")
        assert "runs as root" in caplog.text
        assert "user root\n" in (folder / "mosquitto.conf").read_text()


@pytest.mark.parametrize("name", ["docker-compose.yml", "docker-compose.secure.yml"])
def test_a_container_has_more_memory_than_the_broker_may_take(name: str) -> None:
    """Otherwise the whole broker is killed where one client should be cut off."""
    found = re.search(r"BROKER_MEMORY:-(\d+)m", (REPO / name).read_text())
    limit = re.search(r"memory_limit (\d+)", (HERE / "mosquitto.conf").read_text())
    assert found is not None
    assert limit is not None
    assert int(found[1]) * 1_048_576 > int(limit[1]) * 1.2
