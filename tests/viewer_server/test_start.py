"""How it starts when something is wrong: one clear line, an exit code, no traceback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import MosquittoProcess
from tests.viewer_server.process import ViewerProcess


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "viewer_server", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | environment,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "http.prot=1"], "--set http.prot: unknown key; did you mean 'port'?"),
        (["--set", "http.max_browsers=500"], "http.max_browsers"),
        (
            ["--set", "http.allowed_origins=[evil.example]"],
            "http.allowed_origins 'evil.example': expected http",
        ),
        (["--set", "http.host=192.0.2.1"], "cannot listen on 192.0.2.1:8080"),
        (
            ["--set", "http.host=0.0.0.0", "--set", "http.port=0"],
            "http.host 0.0.0.0 can be reached by others: first set a password",
        ),
        (["--set", "http.host=::", "--set", "http.port=0"], "http.host :: can be reached by others"),
        (["--set", "http.password_file=/nowhere"], "http.password_file /nowhere: cannot be read"),
        (["--set", "http.password_file=/dev/null"], "http.password_file /dev/null: is empty"),
        (["--set", "http.trusted_proxies=[proxy]"], "http.trusted_proxies: 'proxy'"),
        (["--set", "mqtt.url=tcp://x"], "mqtt.url 'tcp://x': expected mqtt://"),
        (["--config", "/nowhere.yaml"], "/nowhere.yaml: no such configuration file"),
    ],
)
def test_a_users_mistake_is_one_line_and_an_exit_code(arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert done.returncode > 0
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PASSWORD_HASH", "secret7", "http.password_hash: not a hash; make one with"),
        ("PASSWORD_HASH", "scrypt:x$y$z", "http.password_hash: not a hash"),
        ("TOKEN", "short77", "http.token: needs at least 16 characters"),
    ],
)
def test_a_secret_that_cannot_be_used_is_one_line_without_it(name: str, value: str, said: str) -> None:
    done = run(**{f"DARNER_HTTP__{name}": value})
    assert said in done.stderr
    assert value not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_taken_port_is_one_line_that_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = run("--set", f"http.port={port}")
    assert done.returncode > 0
    assert done.stderr == (
        f"viewer: cannot listen on 127.0.0.1:{port}: Address already in use; "
        "choose another http.host or http.port\n"
    )


def test_a_broker_that_refuses_us_ends_it_with_the_reason(tmp_path: Path) -> None:
    broker = MosquittoProcess(tmp_path)
    config = next(tmp_path.glob("*.conf"))
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    config.write_text(
        config.read_text().replace(
            "allow_anonymous true", f"allow_anonymous false\npassword_file {passwords}"
        )
    )
    broker.start()
    try:
        done = run("--set", f"mqtt.url={broker.url}", "--set", "http.port=0")
    finally:
        broker.kill()
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if "ERROR" in line]
    assert len(errors) == 1
    assert "check mqtt.username" in errors[0]


def test_it_starts_without_a_broker_and_waits(tmp_path: Path) -> None:
    with ViewerProcess("mqtt://127.0.0.1:9", tmp_path) as viewer:
        health = viewer.health()
        assert health["broker_connected"] is False
        assert health["status"] == "waiting for the broker"
        assert b"<title>Darner</title>" in viewer.get("/")
