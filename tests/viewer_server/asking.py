"""HTTP requests as a program or a browser sends them; redirects are not followed."""

from __future__ import annotations

import http.client
import json
import re
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin

from tests.viewer_server.process import ARRIVES_S, ViewerProcess

FILES = Path(__file__).resolve().parents[2] / "viewer_server"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    path: str
    """What was asked for."""

    @property
    def location(self) -> str:
        """Where a redirect leads to, from the viewer's root."""
        return str(urljoin(self.path, self.headers["Location"]))

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def cookie(self) -> str:
        """NAME=VALUE of the cookie that is set; empty for none."""
        found = re.match(r"[^;]*", self.headers.get("Set-Cookie", ""))
        return found[0] if found else ""


def request(
    viewer: ViewerProcess, method: str, path: str, body: bytes | None = None, **headers: str
) -> Answer:
    """One request; a header's name has underscores for dashes."""
    with closing(http.client.HTTPConnection("127.0.0.1", viewer.port, timeout=ARRIVES_S)) as connection:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read(), path)


def get(viewer: ViewerProcess, path: str, **headers: str) -> Answer:
    return request(viewer, "GET", path, None, **headers)


def log_in(viewer: ViewerProcess, password: str, target: str = "/", **headers: str) -> Answer:
    """As the form on the login page does it."""
    fields = urlencode({"password": password, "next": target}).encode()
    common = {"Content_Type": "application/x-www-form-urlencoded", "Origin": viewer.url}
    return request(viewer, "POST", "/login", fields, **(common | headers))


def loaded_by(page: str) -> int:
    """Bytes of the style sheets, pictures and modules that a page loads, by import too."""
    wanted = [FILES / name for name in re.findall(r'(?:src|href)="(static/[^"]+)"', page)]
    loaded: dict[Path, int] = {}
    while wanted:
        file = wanted.pop().resolve()
        if file not in loaded:
            loaded[file] = file.stat().st_size
            imports = re.findall(r'^(?:import .*|\} )from "(\.[^"]+)";$', file.read_text(), re.MULTILINE)
            wanted += [file.parent / name for name in imports]
    assert any(file.suffix == ".js" for file in loaded)
    return sum(loaded.values())
