"""Who is let in: passwords, sessions, tokens, foreign pages, and proxies that may or may not be believed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import flask
import pytest
import websocket as client_library
from werkzeug.security import check_password_hash, generate_password_hash

from shared.errors import ConfigError
from tests.viewer_server.asking import get, log_in, request
from tests.viewer_server.process import ViewerProcess
from viewer_server.access.attempts import ADDRESS_REFILL_S, PER_ADDRESS
from viewer_server.access.auth import Access, read_token
from viewer_server.access.login_file import MAX_ENDED, LoginFile
from viewer_server.access.origin import Origins
from viewer_server.config import HttpSettings

PASSWORD = "correct horse"
TOKEN = "0123456789abcdef-token"
NOWHERE = "mqtt://127.0.0.1:9"
GUARDED = (
    "/",
    "/analytics",
    "/events",
    "/system",
    "/metrics",
    "/ws",
    "/api/v1/nodes",
    "/api/v1/openapi.json",
)


def settings(*more: str, password: str = PASSWORD) -> tuple[str, ...]:
    # A cheap hash: what is tried here is not how slow scrypt is.
    return (
        f"http.password_hash={generate_password_hash(password, 'pbkdf2:sha256:1000')}",
        f"http.token={TOKEN}",
        *more,
    )


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ViewerProcess]:
    with ViewerProcess(
        NOWHERE, tmp_path_factory.mktemp("viewer"), *settings("http.trusted_proxies=[127.0.0.1]")
    ) as viewer:
        yield viewer


def from_address(address: str) -> dict[str, str]:
    """As a trusted proxy passes it on, so that tests do not pay for each other's attempts."""
    return {"X_Forwarded_For": address}


@pytest.mark.parametrize("path", GUARDED)
def test_nothing_is_shown_without_a_login(guarded: ViewerProcess, path: str) -> None:
    answer = get(guarded, path)
    if path.startswith(("/api", "/metrics", "/ws")):
        assert answer.status == 401
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    else:
        assert answer.status == 303
        assert answer.location == ("/login" if path == "/" else f"/login?next={path}")


@pytest.mark.parametrize(
    ("path", "status"), [("/login", 200), ("/health", 200), ("/static/style.css", 200), ("/ready", 503)]
)
def test_what_logins_monitors_and_proxies_need_is_open(
    guarded: ViewerProcess, path: str, status: int
) -> None:
    answer = get(guarded, path)
    assert answer.status == status
    assert answer.cookie == ""


def test_a_session_begins_with_the_password_and_ends_with_the_logout(guarded: ViewerProcess) -> None:
    entered = log_in(guarded, PASSWORD, "/events", **from_address("198.51.100.1"))
    assert (entered.status, entered.location) == (303, "/events")
    said = entered.headers["Set-Cookie"]
    assert "HttpOnly" in said
    assert "SameSite=Strict" in said
    assert "Secure" not in said  # it came over plain HTTP
    assert f"darner_{guarded.port}=" in said
    cookie = entered.cookie
    assert [get(guarded, path, Cookie=cookie).status for path in GUARDED if path != "/ws"] == [200] * 7
    ws = client_library.create_connection(
        f"ws://127.0.0.1:{guarded.port}/ws", timeout=30, origin=guarded.url, cookie=cookie
    )
    assert json.loads(ws.recv())["type"] == "hello"
    left = request(guarded, "POST", "/logout", b"", Cookie=cookie, Origin=guarded.url)
    assert left.location == "/login"
    opcode, data = 1, b""
    while opcode != client_library.ABNF.OPCODE_CLOSE:
        frame = ws.recv_frame()  # type: ignore[no-untyped-call]  # typed in part
        opcode, data = frame.opcode, frame.data
    assert int.from_bytes(data[:2], "big") == 4401
    ws.shutdown()  # type: ignore[no-untyped-call]
    assert get(guarded, "/", Cookie=cookie).status == 303, "a copy of the cookie is worth nothing"


@pytest.mark.parametrize("given", ["", "wrong", PASSWORD + " ", PASSWORD.upper(), "x" * 3000])
def test_a_wrong_password_is_refused(guarded: ViewerProcess, given: str) -> None:
    address = f"198.51.100.{10 + len(given) % 200}"
    answer = log_in(guarded, given, **from_address(address))
    assert answer.status == 401
    assert answer.cookie == ""
    assert b"That is not the password." in answer.body


def test_guessing_is_slowed_down_for_the_guesser_alone(guarded: ViewerProcess) -> None:
    here, there = from_address("203.0.113.9"), from_address("203.0.113.10")
    codes = [log_in(guarded, f"guess {number}", **here).status for number in range(PER_ADDRESS + 2)]
    assert codes == [401] * PER_ADDRESS + [429, 429]
    answer = log_in(guarded, PASSWORD, **here)
    assert answer.status == 429, "not even with the right one"
    assert 0 < int(answer.headers["Retry-After"]) <= ADDRESS_REFILL_S
    assert log_in(guarded, PASSWORD, **there).status == 303


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("/events", "/events"),
        ("/", "/"),
        ("", "/"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/..", "/"),
        ("/../other/", "/"),
        ("/events\r\nSet-Cookie: x=1", "/"),
    ],
)
def test_a_login_leads_to_a_page_of_ours(guarded: ViewerProcess, target: str, leads_to: str) -> None:
    assert log_in(guarded, PASSWORD, target, **from_address("198.51.100.2")).location == leads_to


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {},  # a browser so old that it says neither
    ],
)
@pytest.mark.parametrize("path", ["/logout", "/api/v1/detect", "/api/v1/zones/n/c"])
def test_a_foreign_page_cannot_act_in_a_visitors_name(
    guarded: ViewerProcess, path: str, headers: dict[str, str]
) -> None:
    cookie = log_in(guarded, PASSWORD, **from_address("198.51.100.3")).cookie
    assert request(guarded, "POST", path, b"x", Cookie=cookie, **headers).status == 403
    assert get(guarded, "/", Cookie=cookie).status == 200


def test_a_foreign_page_cannot_log_a_visitor_in(guarded: ViewerProcess) -> None:
    assert log_in(guarded, PASSWORD, Origin="http://evil.example").status == 403


@pytest.mark.parametrize(
    "forged", ["x", "eyJhIjoxfQ.aaaa.bbbb", '"a"', "." * 600, "IjEyMyI.aR5Yzg.4bqHwK8v0Yt3ePZ0fVb3xZlzS5E"]
)
def test_a_forged_cookie_opens_nothing(guarded: ViewerProcess, forged: str) -> None:
    assert get(guarded, "/api/v1/nodes", Cookie=f"darner_{guarded.port}={forged}").status == 401


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        (f"Bearer {TOKEN}x", 401),
        ("Bearer ", 401),
        (f"Basic {TOKEN}", 401),
        ("Bearer \xff", 401),
    ],
)
def test_a_program_shows_the_token(guarded: ViewerProcess, header: str, status: int) -> None:
    for path in ("/api/v1/nodes", "/metrics"):
        assert get(guarded, path, Authorization=header).status == status


def test_a_program_with_the_token_may_change_things_and_open_the_websocket(guarded: ViewerProcess) -> None:
    bearer = f"Bearer {TOKEN}"
    assert request(guarded, "POST", "/api/v1/detect", b"x", Authorization=bearer).status == 415
    ws = client_library.create_connection(
        f"ws://127.0.0.1:{guarded.port}/ws",
        timeout=30,
        suppress_origin=True,
        header={"Authorization": bearer},
    )
    assert json.loads(ws.recv())["type"] == "hello"
    ws.shutdown()  # type: ignore[no-untyped-call]  # typed in part


def test_a_trusted_proxy_says_whether_the_browser_came_over_tls(
    guarded: ViewerProcess, tmp_path: Path
) -> None:
    forwarded = {"X_Forwarded_Proto": "https", "X_Forwarded_For": "198.51.100.7"}
    assert "Secure" in log_in(guarded, PASSWORD, **forwarded).headers["Set-Cookie"]
    with ViewerProcess(NOWHERE, tmp_path, *settings()) as exposed:
        assert "Secure" not in log_in(exposed, PASSWORD, **forwarded).headers["Set-Cookie"]
        codes = [log_in(exposed, "x", X_Forwarded_For=f"192.0.2.{n}").status for n in range(PER_ADDRESS + 1)]
        assert codes[-1] == 429, "an address of the client's own choice is not believed"


def test_sessions_survive_a_restart_and_end_with_another_password(tmp_path: Path) -> None:
    viewer = ViewerProcess(NOWHERE, tmp_path, *settings())
    with viewer:
        cookie, ended = (log_in(viewer, PASSWORD).cookie for _ in range(2))
        request(viewer, "POST", "/logout", b"", Cookie=ended, Origin=viewer.url)
    with viewer:
        assert get(viewer, "/", Cookie=cookie).status == 200
        assert get(viewer, "/", Cookie=ended).status == 303
    other = ViewerProcess(NOWHERE, tmp_path, *settings(password="battery staple"))
    other.port = viewer.port
    with other:
        assert get(other, "/", Cookie=cookie).status == 303
    kept = tmp_path / "state" / "viewer-login.json"
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_session_ends_by_itself() -> None:
    now = time.time()
    http = HttpSettings(password_hash=generate_password_hash(PASSWORD, "pbkdf2:sha256:1000"), session_hours=2)
    access = Access(http, LoginFile(None), Origins(()), 8080, lambda: now)
    app = flask.Flask(__name__)
    with app.test_request_context("/"):
        answer = flask.make_response("")
        access.log_in(answer)
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    for hours, may_enter in ((1.99, True), (2.01, False)):
        now = time.time() + hours * 3600
        with app.test_request_context("/", headers={"Cookie": cookie}):
            assert access.may_enter(flask.request) is may_enter


def test_a_visit_prolongs_a_session_and_a_logout_ends_it_all_the_same() -> None:
    now = time.time()
    http = HttpSettings(password_hash=generate_password_hash(PASSWORD, "pbkdf2:sha256:1000"), session_hours=2)
    access = Access(http, LoginFile(None), Origins(()), 8080, lambda: now)
    app = flask.Flask(__name__)

    def visit(path: str, cookie: str) -> str:
        """The cookie that the browser has afterwards; empty when it was not let in."""
        with app.test_request_context(path, headers={"Cookie": cookie}):
            if not access.may_enter(flask.request):
                return ""
            answer = flask.make_response("")
            access.visited(answer)
            return answer.headers.get("Set-Cookie", cookie).partition(";")[0]

    with app.test_request_context("/"):
        answer = flask.make_response("")
        access.log_in(answer)
    first = cookie = answer.headers["Set-Cookie"].partition(";")[0]
    assert visit("/events", cookie) == cookie, "not each request needs a new one"
    for _ in range(10):
        now += 1.5 * 3600
        assert visit("/static/style.css", cookie) == cookie, "files are no visit"
        cookie = visit("/events", cookie)
        assert cookie not in ("", first)
    assert visit("/events", first) == ""
    with app.test_request_context("/logout", headers={"Cookie": cookie}):
        access.log_out(flask.make_response(""))
    assert visit("/events", cookie) == ""


def test_a_generated_password_is_shown_once_and_works_from_then_on(tmp_path: Path) -> None:
    viewer = ViewerProcess(NOWHERE, tmp_path, "http.generate_password=true", "http.host=0.0.0.0")
    with viewer:
        assert viewer.process.stdout is not None
        said = viewer.process.stdout.readline().decode()
        found = re.fullmatch(r"Its password, shown this once: ((?:[a-z2-9]{4}-){3}[a-z2-9]{4})\n", said)
        assert found
        assert log_in(viewer, "wrong").status == 401
        assert log_in(viewer, found[1]).status == 303
        assert found[1] not in (tmp_path / "state" / "viewer-login.json").read_text()
    with viewer:
        assert log_in(viewer, found[1]).status == 303
        viewer.process.terminate()
        assert viewer.process.stdout is not None
        with viewer.process.stdout as output:
            assert b"password" not in output.read()


@pytest.mark.parametrize(("typed", "code"), [("long enough\n", 0), ("short\n", 2)])
def test_a_hash_is_made_of_a_typed_password(typed: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "viewer_server", "--hash-password"],
        input=typed, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == code
    if code == 0:
        assert check_password_hash(done.stdout.strip(), typed.strip())
    else:
        assert done.stderr == "viewer: a password needs at least 8 characters\n"


def test_on_loopback_without_a_password_everything_is_open(idle_viewer: ViewerProcess) -> None:
    assert [get(idle_viewer, path).status for path in ("/", "/events", "/metrics", "/api/v1/nodes")] == [
        200
    ] * 4
    assert get(idle_viewer, "/login?next=/events").location == "/events"
    assert b"Log out" not in get(idle_viewer, "/").body
    foreign = request(idle_viewer, "POST", "/api/v1/detect", b"x", Origin="http://evil.example")
    assert foreign.status == 403, "its visitors' browsers are not everybody's to use"


def test_what_is_kept_for_logins_is_mended_and_bounded(tmp_path: Path) -> None:
    path = tmp_path / "login.json"
    path.write_text("{broken")
    secret = LoginFile(path).secret
    assert LoginFile(path).secret == secret
    kept = LoginFile(None)
    for number in range(MAX_ENDED + 10):
        kept.ended[str(number)] = time.time() + 3600
    kept.end("last", 1)
    assert len(kept.ended) == MAX_ENDED
    assert "last" in kept.ended


def test_a_silent_websocket_ends_with_its_session(tmp_path: Path) -> None:
    # The shortest session there is: a second. Everything else about it is tested with a clock.
    with ViewerProcess(NOWHERE, tmp_path, *settings("http.session_hours=0.0003")) as viewer:
        cookie = log_in(viewer, PASSWORD).cookie
        ws = client_library.create_connection(
            f"ws://127.0.0.1:{viewer.port}/ws", timeout=30, origin=viewer.url, cookie=cookie
        )
        opcode, data = 1, b""
        while opcode != client_library.ABNF.OPCODE_CLOSE:
            frame = ws.recv_frame()  # type: ignore[no-untyped-call]  # typed in part
            opcode, data = frame.opcode, frame.data
        assert int.from_bytes(data[:2], "big") == 4401
        ws.shutdown()  # type: ignore[no-untyped-call]


def test_a_short_token_is_refused_by_the_name_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "viewer.token"
    file.write_text("short")
    with pytest.raises(ConfigError, match=r"^http\.token_file .*viewer\.token: needs at least 16 characters"):
        read_token(HttpSettings(token_file=str(file)))
