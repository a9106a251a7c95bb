from __future__ import annotations

import re
from datetime import timedelta

import pytest

from edge_node.discover.markup import MAX_BYTES
from edge_node.discover.onvif import Device, examine
from edge_node.discover.soap import DeniedError, Endpoint, Login
from shared.errors import SourceError
from tests.sources.onvif import OnvifCamera, Profile, onvif_camera

LOGIN = Login("admin", 'pass<&>"word')


def camera(**named: object) -> OnvifCamera:
    main = Profile("main", "rtsp://127.0.0.1:554/main?a=1", "H264", 2560, 1440, 20)
    sub = Profile("sub", "rtsp://127.0.0.1:554/sub", "H264", 640, 360, 10)
    return OnvifCamera(**{"profiles": [main, sub], "login": (LOGIN.user, LOGIN.password), **named})  # type: ignore[arg-type]  # the test's own words


def asked(running: OnvifCamera, login: Login | None = LOGIN) -> Device:
    return examine(Endpoint("127.0.0.1", running.port, "/onvif/device_service"), login)


@pytest.mark.parametrize(
    "named",
    [
        pytest.param({}, id="token in the message"),
        pytest.param({"by_http": True}, id="HTTP digest"),
        pytest.param({"old": True}, id="without GetServices"),
        pytest.param({"media2": True}, id="Media 2"),
        pytest.param({"ahead": timedelta(days=-9)}, id="a clock that was never set"),
    ],
)
def test_every_kind_of_camera_names_its_streams(named: dict[str, object]) -> None:
    with onvif_camera(camera(**named)) as running:
        found = asked(running)
    assert (found.maker, found.model, found.notes) == ("Simulated", "Dome 2", ())
    streams = found.cameras["VideoSource_1"]
    assert [(one.profile, one.codec, one.width, one.height, one.fps) for one in streams] == [
        ("main", "H.264", 2560, 1440, 20),
        ("sub", "H.264", 640, 360, 10),
    ]
    assert streams[0].url == "rtsp://127.0.0.1:554/main?a=1"


def test_media_2_names_the_codec_that_media_1_cannot() -> None:
    profile = Profile("main", "rtsp://127.0.0.1/x", "H265", 3840, 2160)
    with onvif_camera(OnvifCamera([profile], media2=True)) as running:
        assert asked(running, None).cameras["VideoSource_1"][0].codec == "H.265"


def test_a_recorder_gives_the_streams_of_each_of_its_cameras() -> None:
    profiles = [Profile(f"p{n}", f"rtsp://127.0.0.1/{n}", lens=f"channel_{n // 2}") for n in range(4)]
    with onvif_camera(OnvifCamera(profiles)) as running:
        found = asked(running, None)
    assert {lens: len(streams) for lens, streams in found.cameras.items()} == {"channel_0": 2, "channel_1": 2}


@pytest.mark.parametrize("by_http", [False, True])
@pytest.mark.parametrize(
    ("login", "words"),
    [(None, "wants a user and a password"), (Login("admin", "wrong"), "rejects the user or the password")],
)
def test_a_login_that_does_not_fit_is_told_apart_from_none(
    login: Login | None, words: str, by_http: bool
) -> None:
    with onvif_camera(camera(by_http=by_http)) as running, pytest.raises(DeniedError, match=words):
        asked(running, login)


def test_only_the_host_that_answered_is_ever_asked() -> None:
    with onvif_camera(camera(named="198.51.100.7")) as running:
        running.profiles[0].url = "rtsp://user:word@198.51.100.7:8554/main"
        found = asked(running)
        assert set(running.paths) == {"/onvif/device_service", "/onvif/media"}
    assert found.cameras["VideoSource_1"][0].url == "rtsp://127.0.0.1:8554/main"


def test_a_redirect_is_not_followed() -> None:
    with onvif_camera(camera()) as elsewhere, onvif_camera(camera()) as running:
        to = f"http://127.0.0.1:{elsewhere.port}/onvif/media"
        running.answers["GetProfiles"] = (302, {"Location": to}, b"")
        with pytest.raises(SourceError, match="answers 302"):
            asked(running)
        assert elsewhere.asked == []


@pytest.mark.parametrize("scheme", ["Basic realm=x", "Bearer x"])
def test_the_password_is_never_sent_readable(scheme: str) -> None:
    with onvif_camera(camera()) as running:
        for operation in ("GetServices", "GetCapabilities"):
            running.answers[operation] = (401, {"WWW-Authenticate": scheme}, b"")
        with pytest.raises(SourceError, match=r"rejects|not Digest"):
            asked(running)
        assert running.asked.count("GetServices") == 1


def test_a_password_in_any_language_fits_into_the_token() -> None:
    with onvif_camera(camera(login=("admin", "pässwörd 門"))) as running:
        assert asked(running, Login("admin", "pässwörd 門")).model == "Dome 2"
    with (
        onvif_camera(camera(login=("admin", "pässwörd"), by_http=True)) as running,
        pytest.raises(SourceError, match="only users and passwords of ASCII"),
    ):
        asked(running, Login("admin", "pässwörd"))


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>'


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (BOMB, "document type"),
        (b"<x>" * 100 + b"</x>" * 100, "too many elements"),
        (b"<x>" + b"<y/>" * 30_000 + b"</x>", "too many elements"),
        (b"<x>" + b" " * MAX_BYTES + b"</x>", "larger than"),
        (b"not XML", "not XML"),
        (b"<x/>", "not SOAP"),
        (b'<?xml version="1.0" encoding="no-such"?><x/>', "not XML"),
        (b"", "not XML"),
    ],
)
def test_what_no_camera_says_is_refused_in_words(answer: bytes, words: str) -> None:
    with onvif_camera(camera()) as running:
        running.answers["GetProfiles"] = (200, {}, answer)
        with pytest.raises(SourceError, match=words):
            asked(running)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "rtsp://[::1", "rtsp://h:99999/", "rtsp://h/" + "x" * 2000, "gopher://h/"]
)
def test_a_stream_whose_address_is_odd_is_left_out_and_said(url: str) -> None:
    with onvif_camera(camera()) as running:
        running.profiles[0].url = url
        found = asked(running)
    assert [one.profile for one in found.cameras["VideoSource_1"]] == ["sub"]
    assert re.match("profile main: its address", found.notes[0])


def test_a_camera_that_is_away_does_not_answer() -> None:
    with pytest.raises(SourceError, match=r"127\.0\.0\.1: Connection refused"):
        examine(Endpoint("127.0.0.1", 1, "/"), None)
