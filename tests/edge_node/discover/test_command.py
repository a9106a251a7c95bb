from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from edge_node.config import load
from edge_node.discover import command
from tests.sources.onvif import OnvifCamera, Profile, onvif_camera

WORD = "swordfish-77"


@pytest.fixture(autouse=True)
def login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARNER_CAMERA_USER", "admin")
    monkeypatch.setenv("DARNER_CAMERA_PASSWORD", WORD)


def camera(**named: object) -> OnvifCamera:
    main = Profile("main", "rtsp://127.0.0.1:1/main", "H264", 2560, 1440, 20)
    sub = Profile("sub # sub", "rtsp://127.0.0.1:1/sub", "H264", 640, 360, 10)
    return OnvifCamera(**{"profiles": [main, sub], "login": ("admin", WORD), **named})  # type: ignore[arg-type]  # the test's own words


def test_cameras_in_the_network_become_a_configuration_to_paste(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with onvif_camera(camera(), 3702):
        assert command.main(["--interface", "lo", "--timeout", "0.3", "--no-open"]) == 0
    shown = capsys.readouterr()
    assert WORD not in shown.out + shown.err
    pasted = tmp_path / "darner.yaml"
    pasted.write_text(shown.out[shown.out.index("# The detector") :])
    config = load.configuration(pasted, [])
    assert config.cameras["simulated-dome-2"].source == "rtsp://USER:PASSWORD@127.0.0.1:1/sub"
    assert "# source: rtsp://USER:PASSWORD@127.0.0.1:1/main # H.264 2560x1440 20 fps" in shown.out


def test_a_camera_that_wants_no_login_gets_no_place_for_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DARNER_CAMERA_USER")
    monkeypatch.delenv("DARNER_CAMERA_PASSWORD")
    with onvif_camera(camera(login=None)) as running:
        words = ["--host", f"127.0.0.1:{running.port}", "--no-open"]
        assert command.main(words) == 0
    assert "    source: rtsp://127.0.0.1:1/sub # " in capsys.readouterr().out


def test_a_written_configuration_has_the_login_and_is_its_owners_alone(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "found.yaml"
    with onvif_camera(camera()) as running:
        at = ["--host", f"127.0.0.1:{running.port}", "--no-open", "--output", str(file)]
        assert command.main(at) == 0
        assert command.main(at) == 1  # never over a file that is there
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load.configuration(file, []).cameras["simulated-dome-2"].source == (
        f"rtsp://admin:{WORD}@127.0.0.1:1/sub"
    )
    assert WORD not in "".join(capsys.readouterr())


def test_logins_differ_by_host(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DARNER_CAMERA_USER")
    monkeypatch.delenv("DARNER_CAMERA_PASSWORD")
    logins = tmp_path / "logins.yaml"
    logins.write_text(f"127.0.0.1: {{user: admin, password: {WORD}}}\nall: {{user: guest, password: 007}}\n")
    with onvif_camera(camera()) as running:
        words = ["--host", f"127.0.0.1:{running.port}", "--no-open", "--json"]
        assert command.main([*words, "--logins", str(logins)]) == 0
    found = json.loads(capsys.readouterr().out)["cameras"]
    assert [one["profile"] for one in found[0]["streams"]] == ["main", "sub # sub"]
    assert (found[0]["chosen"], found[0]["kind"]) == (1, "onvif")


def test_streams_that_give_no_picture_say_why(capsys: pytest.CaptureFixture[str]) -> None:
    with onvif_camera(camera()) as running:
        assert command.main(["--host", f"127.0.0.1:{running.port}", "--watch", "0.1"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("Connection refused") == 2
    assert "gave no picture just now" in shown
    assert WORD not in shown


def test_where_nothing_is_found_the_reasons_are_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "found.yaml"
    assert command.main(["--interface", "lo", "--timeout", "0.1", "--output", str(file)]) == 0
    assert not file.exists() or Path("/dev/video0").exists()
    assert "A container sees none" in capsys.readouterr().out or Path("/dev/video0").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "camera.example"], "must be an IPv4 address"),
        (["--host", "10.0.0.999"], "must be an IPv4 address"),
        (["--host", "10.0.0.9:0"], "must be an IPv4 address"),
        (["--timeout", "0"], "from 0.1 to 60"),
        (["--timeout", "nan"], "from 0.1 to 60"),
    ],
)
def test_a_wrong_option_is_named(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(words)
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("content", ["all: x", "all: {user: a}", "all: {user: a, password: b, more: c}"])
def test_a_wrong_file_of_logins_is_named(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "logins.yaml"
    file.write_text(content)
    assert command.main(["--logins", str(file)]) == 2
    assert "logins.yaml: all: must have the keys user and password" in capsys.readouterr().err


def test_a_password_without_a_user_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DARNER_CAMERA_USER")
    assert command.main([]) == 2
    assert "DARNER_CAMERA_PASSWORD is set without a user" in capsys.readouterr().err
