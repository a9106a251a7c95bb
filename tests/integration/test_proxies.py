"""The examples in docs/proxies, run by the proxies themselves in front of a viewer."""

from __future__ import annotations

import getpass
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
import websocket as client_library
from werkzeug.security import generate_password_hash

from tests.conftest import REPO, free_port, wait_for_port
from tests.viewer_server.process import ViewerProcess

NAME = "cameras.example.com"
PASSWORD = "correct horse"
EXAMPLES = REPO / "docs" / "proxies"


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"needs {name} (apt install {name})")
    return found


def certificate(folder: Path) -> tuple[Path, Path]:
    """One for the example's name that nobody signed."""
    files = folder / "cert.pem", folder / "key.pem"
    subject = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject]
    subprocess.run([*make, "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


def nginx(folder: Path, viewer_port: int, port: int) -> list[str]:
    binary = program("nginx")
    cert, key = certificate(folder)
    example = (EXAMPLES / "nginx.conf").read_text()
    for old, new in (
        ("127.0.0.1:8080", f"127.0.0.1:{viewer_port}"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("/etc/ssl/certs/cameras.pem", str(cert)),
        ("/etc/ssl/private/cameras.key", str(key)),
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


def caddy(folder: Path, viewer_port: int, port: int) -> list[str]:
    binary = program("caddy")
    cert, key = certificate(folder)
    example = (EXAMPLES / "Caddyfile").read_text()
    for old, new in (
        ("127.0.0.1:8080", f"127.0.0.1:{viewer_port}"),
        # Its own certificate and port: the real ones are Let's Encrypt's and 443.
        (f"{NAME} {{", f"{NAME}:{port} {{\n\tbind 127.0.0.1\n\ttls {cert} {key}"),
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
            process.wait(10)


class Tls(http.client.HTTPSConnection):
    """To the proxy on this machine, under the example's name."""

    def connect(self) -> None:
        plain = socket.create_connection(("127.0.0.1", self.port), 10)
        self.sock = unchecked().wrap_socket(plain, server_hostname=NAME)


def unchecked() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nobody signed it
    return context


def ask(
    port: int, method: str, path: str, body: bytes | None = None, **headers: str
) -> http.client.HTTPResponse:
    connection = Tls(NAME, port, timeout=15)
    connection.request(method, path, body, {"Host": NAME, **headers})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


@pytest.mark.parametrize("proxy", [nginx, caddy])
def test_the_example_serves_login_pages_and_websocket(
    tmp_path: Path, proxy: Callable[[Path, int, int], list[str]]
) -> None:
    settings = (
        f"http.password_hash={generate_password_hash(PASSWORD, 'pbkdf2:sha256:1000')}",
        f'http.allowed_origins=["https://{NAME}"]',
        'http.trusted_proxies=["127.0.0.1"]',
    )
    port = free_port()
    with (
        ViewerProcess("mqtt://127.0.0.1:9", tmp_path, *settings) as viewer,
        running(proxy(tmp_path, viewer.port, port), tmp_path, port),
    ):
        assert ask(port, "GET", "/events").headers["Location"].endswith("/login?next=/events")
        origin = f"https://{NAME}"
        fields = urlencode({"password": PASSWORD, "next": "/events"}).encode()
        form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": origin}
        entered = ask(port, "POST", "/login", fields, **form)
        assert entered.status == 303
        said = entered.headers["Set-Cookie"]
        assert "Secure" in said, "the viewer knows that the browser came over TLS"
        cookie = said.partition(";")[0]
        page = ask(port, "GET", "/events", Cookie=cookie)
        assert page.status == 200
        assert "max-age" in page.headers["Strict-Transport-Security"]
        assert ask(port, "POST", "/logout", b"", Cookie=cookie, Origin="https://evil.example").status == 403
        with closing(
            unchecked().wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname=NAME)
        ) as sock:
            ws = client_library.create_connection(
                f"wss://{NAME}/ws", socket=sock, origin=origin, host=NAME, cookie=cookie, timeout=10
            )
            assert json.loads(ws.recv())["type"] == "hello"
        assert ask(port, "POST", "/api/v1/detect", bytes(750_000), Cookie=cookie, Origin=origin).status == 413
