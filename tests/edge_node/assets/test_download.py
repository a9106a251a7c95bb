from __future__ import annotations

import hashlib
import http.server
import os
import pwd
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_node import doctor
from edge_node.assets import download
from edge_node.assets.download import DownloadError, fetch, sha256
from edge_node.assets.models import find_model
from shared.errors import ModelError
from shared.files import at_home

CONTENT = b"weights" * 1000


class Server(http.server.BaseHTTPRequestHandler):
    """Serves one file, and counts the requests."""

    requests = 0

    def do_GET(self) -> None:
        type(self).requests += 1
        if "missing" in self.path:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT) + (1000 if "short" in self.path else 0)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An https address. Requests go over plain HTTP, which needs no certificate."""
    httpd = http.server.HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    port = httpd.server_port
    real = urllib.request.urlopen

    def plain(url: str, **options: Any) -> Any:
        return real(url.replace("https://", "http://"), **options)

    monkeypatch.setattr(urllib.request, "urlopen", plain)
    Server.requests = 0
    yield f"https://127.0.0.1:{port}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def test_a_file_is_fetched_once_and_its_hash_recorded(server: str, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "model.onnx"
    assert fetch(f"{server}/model.onnx", target).read_bytes() == CONTENT
    assert (tmp_path / "deep" / "model.onnx.sha256").read_text().split()[0] == sha256(target)
    fetch(f"{server}/model.onnx", target)
    assert Server.requests == 1


def test_a_file_that_has_changed_since_its_download_is_refused(server: str, tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    fetch(f"{server}/model.onnx", target)
    target.write_bytes(b"other")
    with pytest.raises(DownloadError, match="has changed since it was downloaded"):
        fetch(f"{server}/model.onnx", target)


def test_a_file_without_a_known_hash_is_trusted_once_and_that_is_said(
    server: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    known = hashlib.sha256(CONTENT).hexdigest()
    fetch(f"{server}/a.onnx", tmp_path / "a.onnx", known)
    assert not caplog.text
    fetch(f"{server}/b.onnx", tmp_path / "b.onnx")
    assert "trusted, as no checksum of it is known" in caplog.text
    assert known in caplog.text
    caplog.clear()
    fetch(f"{server}/b.onnx", tmp_path / "b.onnx")
    assert not caplog.text


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff"])
def test_a_record_that_holds_no_hash_is_one_clear_error(server: str, tmp_path: Path, content: bytes) -> None:
    fetch(f"{server}/model.onnx", tmp_path / "model.onnx")
    (tmp_path / "model.onnx.sha256").write_bytes(content)
    with pytest.raises(DownloadError, match="holds no SHA-256"):
        fetch(f"{server}/model.onnx", tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("path", "expected", "says"),
    [
        pytest.param("model.onnx", "0" * 64, "expected 0000", id="wrong hash"),
        pytest.param("missing.onnx", None, "Not Found", id="404"),
        pytest.param("short.onnx", None, "ended after 7000 of 8000 bytes", id="cut short"),
    ],
)
def test_a_bad_download_leaves_nothing_behind(
    server: str, tmp_path: Path, path: str, expected: str | None, says: str
) -> None:
    with pytest.raises(DownloadError, match=says):
        fetch(f"{server}/{path}", tmp_path / "model.onnx", expected)
    assert list(tmp_path.iterdir()) == []


def test_only_https_is_fetched(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="only https"):
        fetch("http://example.org/x", tmp_path / "x")


class TestWithoutAHome:
    """As a container with `--user 12345`: no $HOME, and no entry in /etc/passwd."""

    @pytest.fixture(autouse=True)
    def _nobody(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
        def unknown(_: int) -> None:
            raise KeyError("uid not found")

        for name in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "DARNER_CACHE", "DARNER_STATE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(pwd, "getpwuid", unknown)
        monkeypatch.setattr(download, "SYSTEM_CACHE", tmp_path / "none")
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        download.temporary_cache.cache_clear()
        yield
        download.temporary_cache.cache_clear()

    def test_downloads_are_kept_in_a_folder_of_the_users_own(self, tmp_path: Path) -> None:
        kept = download.cache_dir()
        assert kept.parent == tmp_path
        assert kept.stat().st_mode & 0o777 == 0o700
        assert download.cache_dir() == kept

    def test_a_folder_that_somebody_else_may_write_to_is_not_used(self, tmp_path: Path) -> None:
        planted = tmp_path / f"darner-cache-{os.getuid()}"
        planted.mkdir()
        planted.chmod(0o777)
        assert download.cache_dir() != planted

    def test_a_file_that_somebody_else_put_there_is_no_obstacle(self, tmp_path: Path) -> None:
        planted = tmp_path / f"darner-cache-{os.getuid()}"
        planted.symlink_to(tmp_path / "nowhere")
        assert download.cache_dir() != planted
        assert download.cache_dir().is_dir()

    def test_the_systems_cache_is_preferred(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(download, "SYSTEM_CACHE", tmp_path)
        assert download.cache_dir() == tmp_path

    def test_paths_below_a_home_are_left_as_they_are(self) -> None:
        assert at_home("~/model.onnx") == Path("~/model.onnx")
        assert find_model("nanodet_g_416").is_file()
        with pytest.raises(ModelError):
            find_model("~/model.onnx")

    def test_the_doctor_looks_at_the_machine(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert doctor.main() == 0
        assert "runs with" in capsys.readouterr().out
