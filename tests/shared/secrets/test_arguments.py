"""The list of processes does not show credentials."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shared.secrets.arguments import shown_argument

PROGRAM = """
from shared.secrets.arguments import hide_arguments
hide_arguments()
print("ready", flush=True)
input()
"""


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("rtsp://me:p ss@cam/1", "rtsp://cam/1"),
        ("--source=rtsp://me:p/ss@10.0.0.9/1", "--source=rtsp://10.0.0.9/1"),
        ("cameras.a.source=http://cam/v?user=me&pwd=x", "cameras.a.source=http://cam/v"),
        ("mqtt.password=1", "mqtt.password=***"),
        ("mqtt.password=two words", "mqtt.password=***"),
        ("http.token=a&b;c)d", "http.token=***"),
        ("--set=mqtt.password=two words, and more", "--set=mqtt.password=***"),
        ("mqtt={username: me, password: hunter2}", "mqtt=***"),
        ("--set=mqtt={'password': a b}", "--set=mqtt=***"),
        ("mqtt={password_file: /etc/darner/password}", "mqtt={password_file: /etc/darner/password}"),
        ("mqtt.password_file=/etc/darner/password", "mqtt.password_file=/etc/darner/password"),
        ("notify.targets.t.url=https://example.com/T0P", "notify.targets.t.url=***"),
        (
            "--set=notify.targets={t: {kind: webhook, url: https://example.com/T0P}}",
            "--set=notify.targets=***",
        ),
        ("notify.targets.t.url_file=/etc/darner/t.url", "notify.targets.t.url_file=/etc/darner/t.url"),
        ("mqtt.url=mqtt://broker", "mqtt.url=mqtt://broker"),
        ("--config", "--config"),
        ("cameras={a: {source: 'rtsp://me:pw@cam/1'}}", "cameras={a: {source: 'rtsp://cam/1'}}"),
    ],
)
def test_an_argument_is_shown_without_credentials(word: str, shown: str) -> None:
    assert shown_argument(word) == shown


@pytest.mark.skipif(sys.platform != "linux", reason="the arguments are overwritten through /proc")
def test_a_running_program_has_no_credentials_in_the_list_of_processes() -> None:
    words = ["--source", "rtsp://me:hunter2@cam/1", "--set", "mqtt.password=hunter2", "--set", "node=shop"]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout
        process.stdout.readline()
        listed = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        process.stdin.close()
    said = [word for word in listed.decode().split("\0") if word]
    assert said[-6:] == ["--source", "rtsp://cam/1", "--set", "mqtt.password=***", "--set", "node=shop"]


def test_a_program_without_credentials_keeps_its_arguments() -> None:
    words = ["--set", "node=shop"]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout
        process.stdout.readline()
        assert Path(f"/proc/{process.pid}/cmdline").read_bytes().endswith(b"\0--set\0node=shop\0")
        process.stdin.close()
