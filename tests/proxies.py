"""Runs the proxies of docs/proxies with their examples, under other names, addresses and certificates."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import REPO, wait_for_port

NAMES = {"": "cameras.example.com", "/darner": "example.com"}
"""The name in an example, by the path below which the viewer is."""
EXAMPLES = REPO / "docs" / "proxies"


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"needs {name} (apt install {name})")
    return found


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """One that nobody signed."""
    files = folder / "cert.pem", folder / "key.pem"
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject]
    subprocess.run([*make, "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


def nginx(folder: Path, viewer_port: int, port: int, below: str = "") -> list[str]:
    binary = program("nginx")
    cert, key = certificate(folder, NAMES[below])
    example = (EXAMPLES / ("nginx-path.conf" if below else "nginx.conf")).read_text()
    site = "site" if below else "cameras"
    for old, new in (
        ("127.0.0.1:8080", f"127.0.0.1:{viewer_port}"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        (f"/etc/ssl/certs/{site}.pem", str(cert)),
        (f"/etc/ssl/private/{site}.key", str(key)),
    ):
        assert old in example
        example = example.replace(old, new)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    owner = f"user {getpass.getuser()}; " if os.getuid() == 0 else ""  # else it could not write here
    main = f"{owner}daemon off; pid {folder}/pid; error_log {folder}/error.log;\nevents {{}}\n"
    (folder / "nginx.conf").write_text(f"{main}http {{ access_log off;\n{temporary}{example}}}\n")
    return [binary, "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, viewer_port: int, port: int, below: str = "") -> list[str]:
    binary = program("caddy")
    name = NAMES[below]
    cert, key = certificate(folder, name)
    example = (EXAMPLES / ("Caddyfile-path" if below else "Caddyfile")).read_text()
    for old, new in (
        ("127.0.0.1:8080", f"127.0.0.1:{viewer_port}"),
        # Its own certificate and port: the real ones are Let's Encrypt's and 443.
        (f"\n{name} {{", f"\n{name}:{port} {{\n\tbind 127.0.0.1\n\ttls {cert} {key}"),
    ):
        assert old in example
        example = example.replace(old, new)
    (folder / "Caddyfile").write_text(f"{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n{example}")
    return [binary, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


@contextmanager
def running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    with (folder / "proxy.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            env=os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder)},
        )
        try:
            wait_for_port(port)
            yield
        finally:
            process.terminate()
            process.wait(60)
