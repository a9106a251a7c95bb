"""Viewers that share a key accept each other's logins; a key that others could have chosen is refused."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import flask
import pytest
from werkzeug.security import generate_password_hash

from shared.errors import ConfigError
from viewer_server.access.auth import Access
from viewer_server.access.key_file import make_key, read_key
from viewer_server.access.login_file import LoginFile
from viewer_server.access.origin import Origins
from viewer_server.config import HttpSettings

HASH = generate_password_hash("correct horse", "pbkdf2:sha256:1000")
APP = flask.Flask(__name__)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "viewer.key"
    make_key(path)
    return path


def viewer(key: Path | None, port: int, password_hash: str = HASH, logins: Path | None = None) -> Access:
    """One with a login file of its own, unless it is named."""
    http = HttpSettings(password_hash=password_hash, key_file=str(key) if key else None)
    return Access(http, LoginFile(logins), Origins(()), port)


def log_in(access: Access) -> str:
    with APP.test_request_context("/"):
        answer = flask.make_response("")
        access.log_in(answer)
    return answer.headers["Set-Cookie"].partition(";")[0]


def enters(access: Access, cookie: str) -> bool:
    with APP.test_request_context("/", headers={"Cookie": cookie}):
        return access.may_enter(flask.request)


def log_out(access: Access, cookie: str) -> str:
    with APP.test_request_context("/logout", headers={"Cookie": cookie}):
        answer = flask.make_response("")
        access.log_out(answer)
    return answer.headers["Set-Cookie"]


def test_a_login_at_one_viewer_holds_at_all_that_share_the_key_and_the_password(
    key: Path, tmp_path: Path
) -> None:
    other_key = tmp_path / "other.key"
    make_key(other_key)
    first = viewer(key, 8081)
    cookie = log_in(first)
    assert enters(first, cookie)
    assert enters(viewer(key, 8082), cookie), "whatever its port"
    name, _, value = cookie.partition("=")
    strangers = {
        "another key": viewer(other_key, 8081),
        "another password": viewer(key, 8081, generate_password_hash("staple", "pbkdf2:sha256:1000")),
        "no key": viewer(None, 8081),
    }
    assert [why for why, one in strangers.items() if enters(one, f"{one.cookie}={value}")] == []
    assert strangers["another key"].cookie != name, "two groups of viewers do not log each other out"


def test_the_key_alone_makes_no_login_where_there_is_a_token_and_no_password(key: Path) -> None:
    http = HttpSettings(token="a token of sixteen", key_file=str(key))
    access = Access(http, LoginFile(None), Origins(()), 8081)
    assert not enters(access, log_in(Access(http, LoginFile(None), Origins(()), 8082)))
    with APP.test_request_context("/", headers={"Authorization": "Bearer a token of sixteen"}):
        assert access.may_enter(flask.request)


def test_a_logout_takes_the_cookie_from_the_browser_for_all_viewers_and_ends_it_at_the_one_asked(
    key: Path,
) -> None:
    first, second = viewer(key, 8081), viewer(key, 8082)
    cookie = log_in(first)
    taken = log_out(second, cookie)
    assert taken.startswith(f"{first.cookie}=;")
    assert "Max-Age=0" in taken
    assert not enters(second, cookie)
    assert enters(first, cookie), "as the documentation says: a copy holds there until its time is over"


def test_a_logout_ends_a_login_at_all_viewers_that_share_the_file_of_logins(
    key: Path, tmp_path: Path
) -> None:
    first, second = (viewer(key, port, logins=tmp_path / "logins.json") for port in (8081, 8082))
    one, two, three = (log_in(first) for _ in range(3))
    log_out(first, one)
    log_out(second, two)
    for access in (first, second, viewer(key, 8083, logins=tmp_path / "logins.json")):
        assert [enters(access, cookie) for cookie in (one, two, three)] == [False, False, True]


def test_logouts_at_the_same_moment_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "logins.json"
    files = [LoginFile(path) for _ in range(4)]

    def end_some(number: int) -> None:
        for count in range(5):
            files[number].end(f"{number}-{count}", 1)

    threads = [threading.Thread(target=end_some, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sessions = [f"{number}-{count}" for number in range(4) for count in range(5)]
    assert all(one.has_ended(session) for one in (*files, LoginFile(path)) for session in sessions)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_is_made_for_its_owner_alone_and_never_over_another(key: Path) -> None:
    before = key.read_text()
    assert key.stat().st_mode & 0o777 == 0o600
    assert len(before) == 65
    with pytest.raises(ConfigError, match="is there already, and stays as it is"):
        make_key(key)
    assert key.read_text() == before
    with pytest.raises(ConfigError, match=r"the folder .*none is not there; make it first"):
        make_key(key.parent / "none" / "viewer.key")


@pytest.mark.parametrize(
    ("content", "mode", "says"),
    [
        (None, 0o600, "cannot be read: no such file"),
        ("x" * 31, 0o600, "needs at least 32 characters; make one with: darner-viewer --make-key FILE"),
        ("x" * 32, 0o620, r"others may write it \(mode 0620\), and so choose the key; chmod 600"),
        ("x" * 32, 0o602, r"others may write it \(mode 0602\)"),
        ("", 0o600, "is empty"),
    ],
)
def test_a_key_that_cannot_be_used_is_refused_in_one_sentence(
    tmp_path: Path, content: str | None, mode: int, says: str
) -> None:
    path = tmp_path / "viewer.key"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    with pytest.raises(ConfigError, match=rf"^http\.key_file .*viewer\.key: {says}") as refused:
        read_key(HttpSettings(key_file=str(path)))
    assert "xxx" not in str(refused.value)


def test_a_key_that_all_may_read_is_used_with_a_warning(key: Path, caplog: pytest.LogCaptureFixture) -> None:
    key.chmod(0o644)  # as Kubernetes mounts secrets
    with caplog.at_level(logging.WARNING):
        assert read_key(HttpSettings(key_file=str(key)))
    assert [line for line in caplog.messages if "every user of this machine may read it (mode 0644)" in line]


def test_viewers_that_share_a_key_have_one_password_and_not_one_each(key: Path) -> None:
    with pytest.raises(ConfigError, match=r"http\.key_file and http\.generate_password are both set"):
        read_key(HttpSettings(key_file=str(key), generate_password=True))
