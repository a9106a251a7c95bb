"""A broker as docs/how-to/security.md sets it up: our certificates, mosquitto_passwd's passwords."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

from broker import certificates
from shared.mqtt.address import MqttSettings
from tests.conftest import free_port, wait_for_port

EDGE, OTHER_EDGE = "shop", "yard"
USERS = (EDGE, OTHER_EDGE, "viewer", "archive", "reader", "operator", "homeassistant")


def password(user: str) -> str:
    return f"secret-of-{user}"


def prepare(folder: Path) -> None:
    certificates.make(folder, ["localhost"], [EDGE, "viewer"], 30, force=False)
    for number, user in enumerate(USERS):
        create = ["-c"] if number == 0 else []
        words = ["mosquitto_passwd", *create, "-b", str(folder / "passwords"), user, password(user)]
        subprocess.run(words, check=True, capture_output=True)


class SecureBroker:
    """`python -m broker --secure` on ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        while self.port >= 65_535:
            self.port = free_port()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "broker", "--secure", str(folder), "--port", str(self.port)],
            stderr=subprocess.DEVNULL,
        )
        wait_for_port(self.port)
        wait_for_port(self.port + 1)

    def processes(self) -> list[psutil.Process]:
        """The broker itself, below the program that started it."""
        return psutil.Process(self._process.pid).children()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)

    def settings(self, user: str, **changes: object) -> MqttSettings:
        """User and password over TLS."""
        given = {
            "url": f"mqtts://localhost:{self.port}",
            "username": user,
            "password": password(user),
            "ca_file": str(self.folder / "ca.crt"),
        } | changes
        return MqttSettings(**given)  # type: ignore[arg-type]  # settings by name

    def certified(self, user: str, **changes: object) -> MqttSettings:
        """A client certificate instead of a password."""
        given = {
            "url": f"mqtts://localhost:{self.port + 1}",
            "ca_file": str(self.folder / "ca.crt"),
            "cert_file": str(self.folder / "clients" / f"{user}.crt"),
            "key_file": str(self.folder / "clients" / f"{user}.key"),
        } | changes
        return MqttSettings(**given)  # type: ignore[arg-type]  # settings by name
