from __future__ import annotations

import http.server
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_node.assets.download import DownloadError, fetch, sha256

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
