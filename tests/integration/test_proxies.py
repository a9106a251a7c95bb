"""The examples in docs/proxies, run by the proxies themselves in front of a viewer."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin

import pytest
import websocket as client_library
from werkzeug.security import generate_password_hash

from tests.conftest import free_port
from tests.proxies import NAMES, caddy, nginx, running
from tests.viewer_server.process import ViewerProcess

PASSWORD = "correct horse"


class Tls(http.client.HTTPSConnection):
    """To the proxy on this machine, under the example's name."""

    def connect(self) -> None:
        plain = socket.create_connection(("127.0.0.1", self.port), 10)
        self.sock = unchecked().wrap_socket(plain, server_hostname=self.host)


def unchecked() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nobody signed it
    return context


@dataclass(frozen=True)
class Site:
    """The viewer behind a proxy, as an example sets it up."""

    name: str
    port: int
    below: str

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> http.client.HTTPResponse:
        connection = Tls(self.name, self.port, timeout=15)
        connection.request(method, self.below + path, body, {"Host": self.name, **headers})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer

    def location(self, path: str, answer: http.client.HTTPResponse) -> str:
        return str(urljoin(self.below + path, answer.headers["Location"]))

    def first_message(self, origin: str, cookie: str) -> Any:
        """Of the websocket."""
        plain = socket.create_connection(("127.0.0.1", self.port))
        with closing(unchecked().wrap_socket(plain, server_hostname=self.name)) as sock:
            ws = client_library.create_connection(
                f"wss://{self.name}{self.below}/ws",
                socket=sock,
                origin=origin,
                host=self.name,
                cookie=cookie,
                timeout=30,
            )
            return json.loads(ws.recv())


@pytest.mark.parametrize("below", NAMES)
@pytest.mark.parametrize("proxy", [nginx, caddy])
def test_the_example_serves_login_pages_and_websocket(
    tmp_path: Path, proxy: Callable[[Path, int, int, str], list[str]], below: str
) -> None:
    origin = f"https://{NAMES[below]}"
    settings = (
        f"http.password_hash={generate_password_hash(PASSWORD, 'pbkdf2:sha256:1000')}",
        f'http.allowed_origins=["{origin}"]',
        'http.trusted_proxies=["127.0.0.1"]',
    )
    site = Site(NAMES[below], free_port(), below)
    with (
        ViewerProcess("mqtt://127.0.0.1:9", tmp_path, *settings) as viewer,
        running(proxy(tmp_path, viewer.port, site.port, below), tmp_path, site.port),
    ):
        turned_away = site.ask("GET", "/events")
        assert site.location("/events", turned_away) == f"{below}/login?next=/events"
        fields = urlencode({"password": PASSWORD, "next": "/events"}).encode()
        form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": origin}
        entered = site.ask("POST", "/login", fields, **form)
        assert entered.status == 303
        assert site.location("/login", entered) == f"{below}/events"
        said = entered.headers["Set-Cookie"]
        assert "Secure" in said, "the viewer knows that the browser came over TLS"
        assert f"Path={below or '/'}" in said
        cookie = said.partition(";")[0]
        page = site.ask("GET", "/events", Cookie=cookie)
        assert page.status == 200
        if not below:  # with a path, the site's other things decide
            assert "max-age" in page.headers["Strict-Transport-Security"]
        assert site.ask("GET", "/static/style.css").status == 200
        assert site.ask("POST", "/logout", b"", Cookie=cookie, Origin="https://evil.example").status == 403
        assert site.first_message(origin, cookie)["type"] == "hello"
        assert site.ask("POST", "/api/v1/detect", bytes(750_000), Cookie=cookie, Origin=origin).status == 413
