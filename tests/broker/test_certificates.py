"""The private CA: what it writes, what it refuses, and that Python's own TLS takes it."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

import pytest

from broker import certificates


def run(folder: Path, *words: str) -> int:
    return certificates.main([str(folder), *words])


def test_keys_are_their_owners_only_and_the_expiry_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        run(tmp_path / "new", "--host", "broker.lan", "192.168.1.10", "--client", "shop", "--days", "30") == 0
    )
    keys = list((tmp_path / "new").rglob("*.key"))
    assert sorted(key.name for key in keys) == ["ca.key", "server.key", "shop.key"]
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 3
    assert all("valid until" in line and line.endswith("GMT") for line in said)
    left = {file.name for file in (tmp_path / "new").iterdir()}
    assert left == {"ca.crt", "ca.key", "server.crt", "server.key", "clients"}


def test_a_folder_that_is_made_is_its_owners_alone(tmp_path: Path) -> None:
    assert run(tmp_path / "secure", "--host", "broker.lan", "--client", "shop") == 0
    for folder in (tmp_path / "secure", tmp_path / "secure" / "clients"):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_strict_verification_accepts_the_chain(tmp_path: Path) -> None:
    run(tmp_path, "--host", "localhost", "::1")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    client = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    client.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
    for name in ("localhost", "::1"):
        there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
        ours = client.wrap_bio(back, there, server_hostname=name)
        theirs = server.wrap_bio(there, back, server_side=True)
        for _ in range(3):
            for side in (ours, theirs):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
        assert ours.version() == "TLSv1.3"


def test_nothing_is_replaced_without_force_and_the_ca_never(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, "--host", "a")
    before = {file.name: file.read_bytes() for file in tmp_path.glob("*.*")}
    assert run(tmp_path, "--host", "b", "--client", "shop") == 2
    assert "server.crt or its key exists already; --force replaces it" in capsys.readouterr().err
    assert not (tmp_path / "clients").exists()
    assert {file.name: file.read_bytes() for file in tmp_path.glob("*.*")} == before
    assert run(tmp_path, "--client", "shop") == 0  # one more client needs no force
    assert run(tmp_path, "--host", "b", "--force") == 0
    after = {file.name: file.read_bytes() for file in tmp_path.glob("*.*")}
    assert {name for name in before if after[name] == before[name]} == {"ca.crt", "ca.key"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "--host"),
        (["--host", "mqtts://broker:8883"], "without a port"),
        (["--host", "a,DNS:evil"], "expected a host name"),
        (["--host", "a\nb"], "expected a host name"),
        (["--client", "../ca"], "letters, digits"),
        (["--host", "a", "--days", "0"], "--days 0"),
        (["--host", "a", "--days", "4000"], "--days 4000"),
    ],
)
def test_what_cannot_stand_in_a_certificate_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert run(tmp_path / "new", *words) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_a_ca_without_its_key_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, "--host", "a")
    (tmp_path / "ca.key").unlink()
    assert run(tmp_path, "--client", "shop") == 2
    assert "restore it, or remove both" in capsys.readouterr().err


def test_no_openssl_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(tmp_path, "--host", "a") == 2
    assert "apt install openssl" in capsys.readouterr().err
