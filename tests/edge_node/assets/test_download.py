from __future__ import annotations

import hashlib
import os
import pwd
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_node.assets import download
from edge_node.assets.download import DownloadError, fetch, sha256
from edge_node.assets.models import find_model
from edge_node.doctor import doctor
from shared.errors import ModelError
from shared.files import at_home
from tests.edge_node.assets.served import Served, serving

CONTENT = b"weights" * 1000


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served"), monkeypatch) as served:
        served.files = {
            "/model.onnx": CONTENT,
            "/a.onnx": CONTENT,
            "/b.onnx": CONTENT,
            "/short.onnx": CONTENT,
        }
        served.promised = {"/short.onnx": 1000}
        yield served


def test_a_file_is_fetched_once_and_its_hash_recorded(server: Served, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "model.onnx"
    assert fetch(f"{server.url}/model.onnx", target).read_bytes() == CONTENT
    assert (tmp_path / "deep" / "model.onnx.sha256").read_text().split()[0] == sha256(target)
    fetch(f"{server.url}/model.onnx", target)
    assert server.asked == ["/model.onnx"]


def test_a_file_that_has_changed_since_its_download_is_refused(server: Served, tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    fetch(f"{server.url}/model.onnx", target)
    target.write_bytes(b"other")
    with pytest.raises(DownloadError, match="has changed since it was downloaded"):
        fetch(f"{server.url}/model.onnx", target)


def test_a_file_without_a_known_hash_is_trusted_once_and_that_is_said(
    server: Served, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    known = hashlib.sha256(CONTENT).hexdigest()
    fetch(f"{server.url}/a.onnx", tmp_path / "a.onnx", known)
    assert not caplog.text
    fetch(f"{server.url}/b.onnx", tmp_path / "b.onnx")
    assert "trusted on first use, as no checksum of it is published" in caplog.text
    assert known in caplog.text
    caplog.clear()
    fetch(f"{server.url}/b.onnx", tmp_path / "b.onnx")
    assert not caplog.text


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff"])
def test_a_record_that_holds_no_hash_is_one_clear_error(
    server: Served, tmp_path: Path, content: bytes
) -> None:
    fetch(f"{server.url}/model.onnx", tmp_path / "model.onnx")
    (tmp_path / "model.onnx.sha256").write_bytes(content)
    with pytest.raises(DownloadError, match="holds no SHA-256"):
        fetch(f"{server.url}/model.onnx", tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("path", "expected", "says"),
    [
        pytest.param("model.onnx", "0" * 64, "expected 0000", id="wrong hash"),
        pytest.param("missing.onnx", None, "Not Found", id="404"),
        pytest.param("short.onnx", None, "ended after 7000 of 8000 bytes", id="cut short"),
        pytest.param("downgraded.onnx", None, "leads to http://.*only https", id="redirected to http"),
    ],
)
def test_a_bad_download_leaves_nothing_behind(
    server: Served, tmp_path: Path, path: str, expected: str | None, says: str
) -> None:
    server.redirects["/downgraded.onnx"] = "http://127.0.0.1:9/model.onnx"
    with pytest.raises(DownloadError, match=says):
        fetch(f"{server.url}/{path}", tmp_path / "model.onnx", expected)
    assert list(tmp_path.iterdir()) == []


def test_a_redirection_to_https_is_followed(server: Served, tmp_path: Path) -> None:
    server.redirects["/moved.onnx"] = f"{server.url}/model.onnx"
    assert fetch(f"{server.url}/moved.onnx", tmp_path / "model.onnx").read_bytes() == CONTENT


def test_a_file_that_is_too_large_is_not_fetched_to_its_end(server: Served, tmp_path: Path) -> None:
    server.files["/large.onnx"] = bytes(20_000_000)
    with pytest.raises(DownloadError, match="larger than 1 MB"):
        fetch(f"{server.url}/large.onnx", tmp_path / "model.onnx", limit=1_000_000)
    assert list(tmp_path.iterdir()) == []


def test_what_a_check_refuses_is_not_kept(server: Served, tmp_path: Path) -> None:
    def refuse(path: Path) -> None:
        assert path.read_bytes() == CONTENT
        raise ModelError("not a detector")

    with pytest.raises(ModelError, match="not a detector"):
        fetch(f"{server.url}/model.onnx", tmp_path / "model.onnx", check=refuse)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_sentence_about_the_folder(server: Served, tmp_path: Path) -> None:
    server.files["/large.onnx"] = bytes(300_000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(DownloadError) as caught:
            fetch(f"{server.url}/large.onnx", tmp_path / "model.onnx")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(caught.value) == f"{tmp_path}: cannot keep a download there: File too large"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_sentence(server: Served, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(DownloadError, match="models: cannot keep a download there: "):
        fetch(f"{server.url}/model.onnx", tmp_path / "models" / "model.onnx")


def test_a_server_that_nobody_vouches_for_is_not_asked(
    server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(DownloadError, match="certificate verify failed"):
        fetch(f"{server.url}/model.onnx", tmp_path / "model.onnx")
    assert server.asked == []


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
