"""Below a path of a proxy: what the viewer believes, and where its addresses lead."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from werkzeug.security import generate_password_hash

from tests.viewer_server.asking import get, log_in, request
from tests.viewer_server.process import ViewerProcess

PASSWORD = "correct horse"
INGRESS = "/api/hassio_ingress/1wuZ_x-3"


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ViewerProcess]:
    """A viewer with a password that believes this machine's proxies."""
    keys = (
        f"http.password_hash={generate_password_hash(PASSWORD, 'pbkdf2:sha256:1000')}",
        "http.trusted_proxies=[127.0.0.1]",
    )
    with ViewerProcess("mqtt://127.0.0.1:9", tmp_path_factory.mktemp("viewer"), *keys) as viewer:
        yield viewer


@pytest.mark.parametrize(
    ("headers", "path"),
    [
        pytest.param({}, "/", id="no proxy"),
        pytest.param({"X_Forwarded_Prefix": "/darner"}, "/darner", id="a path"),
        pytest.param({"X_Forwarded_Prefix": "/darner/"}, "/darner", id="with a slash at the end"),
        pytest.param({"X_Forwarded_Prefix": "/a/b.c~d/"}, "/a/b.c~d", id="a longer path"),
        pytest.param({"X_Forwarded_Prefix": "/evil, /darner"}, "/darner", id="the last proxy's"),
        pytest.param({"X_Ingress_Path": INGRESS}, INGRESS, id="Home Assistant's ingress"),
        pytest.param({"X_Forwarded_Prefix": "//evil.example"}, "/", id="another host"),
        pytest.param({"X_Forwarded_Prefix": "/a//b"}, "/", id="an empty level"),
        pytest.param({"X_Forwarded_Prefix": "/a/../b"}, "/", id="a level up"),
        pytest.param({"X_Forwarded_Prefix": "darner"}, "/", id="no path"),
        pytest.param({"X_Forwarded_Prefix": "/a;Domain=evil.example"}, "/", id="more than a path"),
        pytest.param({"X_Forwarded_Prefix": "/" + "a" * 5000}, "/", id="far too long"),
        pytest.param({"Forwarded": "path=/darner", "X_Script_Name": "/darner"}, "/", id="other headers"),
    ],
)
def test_a_login_is_kept_below_the_path_that_the_proxy_names(
    behind: ViewerProcess, headers: dict[str, str], path: str
) -> None:
    said = log_in(behind, PASSWORD, **headers).headers["Set-Cookie"]
    assert f"Path={path};" in f"{said};"


def test_nobody_but_a_trusted_proxy_names_a_path(idle_viewer: ViewerProcess) -> None:
    named = {"X_Forwarded_Prefix": "/darner", "X_Ingress_Path": INGRESS}
    assert "servers" not in get(idle_viewer, "/api/v1/openapi.json", **named).json
    assert get(idle_viewer, "/", **named).headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("page", ["/", "/analytics", "/events", "/system", "/login"])
def test_no_page_has_an_address_that_leaves_the_path(behind: ViewerProcess, page: str) -> None:
    cookie = {} if page == "/login" else {"Cookie": log_in(behind, PASSWORD).cookie}
    body = get(behind, page, X_Forwarded_Prefix="/darner", **cookie).body.decode()
    addresses = re.findall(r"""(?:href|src|action|formaction|srcset|poster)\s*=\s*["']?([^"'\s>]*)""", body)
    assert "static/style.css" in addresses
    assert [one for one in addresses if one.startswith("/") or "://" in one] == []


@pytest.mark.parametrize("path", ["/", "/events", "/no/such/page", "/system?x=1"])
def test_the_way_to_the_login_and_back_stays_below_the_path(behind: ViewerProcess, path: str) -> None:
    answer = get(behind, path, X_Forwarded_Prefix="/darner")
    assert not answer.headers["Location"].startswith(("/", "http"))
    assert answer.location.partition("?")[0] == "/login"


def test_programs_are_told_addresses_below_the_path(behind: ViewerProcess) -> None:
    known = {"Cookie": log_in(behind, PASSWORD).cookie, "X_Forwarded_Prefix": "/darner"}
    assert get(behind, "/api/v1/openapi.json", **known).json["servers"] == [{"url": "/darner"}]


def test_only_home_assistant_may_show_the_pages_in_a_frame(behind: ViewerProcess) -> None:
    alone, framed = get(behind, "/login"), get(behind, "/login", X_Ingress_Path=INGRESS)
    assert alone.headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in alone.headers["Content-Security-Policy"]
    assert framed.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "frame-ancestors 'self'" in framed.headers["Content-Security-Policy"]


def test_a_logout_ends_the_login_below_the_path(behind: ViewerProcess) -> None:
    cookie = log_in(behind, PASSWORD, X_Forwarded_Prefix="/darner").cookie
    named = {"Cookie": cookie, "Origin": behind.url, "X_Forwarded_Prefix": "/darner"}
    left = request(behind, "POST", "/logout", b"", **named)
    assert "Path=/darner;" in f"{left.headers['Set-Cookie']};"
    assert left.location == "/login"
