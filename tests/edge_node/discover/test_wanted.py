from __future__ import annotations

import pytest

from edge_node.config.camera_settings import CameraSettings
from edge_node.discover.wanted import has_login, settings_of, shown
from shared.errors import MessageError
from shared.secrets.redact import redact
from shared.wire.messages import CameraChange, RemoteCameras

DOOR = CameraSettings(source="rtsp://admin:swordfish-77@h:554/a?token=word-88", motion_gate=5)


def source(
    change: CameraChange, before: CameraSettings | None = DOOR, allowed: RemoteCameras = "network"
) -> str:
    return str(settings_of("door", change, before, allowed).source)


def test_the_address_that_is_shown_stands_for_the_whole_one() -> None:
    assert shown(DOOR.source) == "rtsp://h:554/a"
    kept = settings_of("door", CameraChange(source="rtsp://h:554/a", name="Door"), DOOR, "network")
    assert (kept.source, kept.name, kept.motion_gate) == (DOOR.source, "Door", 5)


@pytest.mark.parametrize(
    ("user", "password", "address", "becomes"),
    [
        pytest.param(None, None, "rtsp://h:554/b", "rtsp://admin:swordfish-77@h:554/b", id="another path"),
        pytest.param("x", "y", "rtsp://h:554/b", "rtsp://x:y@h:554/b", id="another login"),
        pytest.param(None, "p/w", "rtsp://h:554/b", "rtsp://admin:p%2Fw@h:554/b", id="another password"),
        pytest.param(None, None, "rtsp://x:y@h:554/b", "rtsp://x:y@h:554/b", id="a login in the address"),
        pytest.param(None, None, "http://other/", "http://other/", id="another camera"),
    ],
)
def test_a_change_without_a_password_keeps_the_one_there_is(
    user: str | None, password: str | None, address: str, becomes: str
) -> None:
    assert source(CameraChange(source=address, user=user, password=password)) == becomes


@pytest.mark.parametrize(
    "elsewhere", ["rtsp://evil/a", "rtsp://h:555/a", "rtsp://h/a", "http://h:554/a", "rtsp://h@evil:554/a"]
)
def test_nobody_gets_a_password_by_naming_another_place(elsewhere: str) -> None:
    assert "swordfish" not in source(CameraChange(source=elsewhere))


def test_a_new_password_is_hidden_from_then_on() -> None:
    source(CameraChange(source="rtsp://new/", user="admin", password="hunter-99"), None)
    assert redact("it said hunter-99") == "it said ***"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("file:///etc/passwd", "is a file or a device"),
        ("/dev/video0", "is a file or a device"),
        ("0", "is a file or a device"),
        ("darner.yaml", "is a file or a device"),
        ("concat:/etc/passwd", "is a file or a device"),
        ("gopher://h/", "begins with gopher://"),
        ("udp://0.0.0.0:1", "begins with udp://"),
        ("tcp://h:1", "begins with tcp://"),
        ("rtsp://", "names no host"),
        ("rtsp://h/\n", "names no host"),
        ("rtsp://h:99999/", "its port is not a number"),
    ],
)
def test_what_is_no_stream_from_the_network_is_refused(wrong: str, words: str) -> None:
    with pytest.raises(MessageError, match=rf"cameras\.door\.source: {words}"):
        source(CameraChange(source=wrong), None)


def test_files_and_devices_need_the_configurations_leave() -> None:
    assert source(CameraChange(source="/dev/video0"), None, "any") == "/dev/video0"
    with pytest.raises(MessageError, match=r"cameras\.door\.source: .*no such file"):
        source(CameraChange(source="/no/such.mp4"), None, "any")
    with pytest.raises(MessageError, match="no user and password"):
        source(CameraChange(source="/dev/video0", user="u", password="p"), None, "any")
    film = CameraSettings(source="/films/a.mp4")
    assert source(CameraChange(source="a.mp4", name="A"), film) == "/films/a.mp4", "it may keep what it has"


def test_a_password_needs_a_user() -> None:
    with pytest.raises(MessageError, match=r"cameras\.door\.user: is missing"):
        source(CameraChange(source="rtsp://new/", password="x"), None)


def test_whether_there_is_a_login_is_said_without_saying_which() -> None:
    with_one = (
        DOOR.source,
        "rtsp://u:p?x@h/",
        "http://h/?u=a&password=b",
        "http://h/user=a_password=b_channel=1",
    )
    without = ("rtsp://h/", "rtsp://h/?channel=1&subtype=0", "mqtt:///t/scene?format=axis", 0, "/dev/video0")
    assert [one for one in (*with_one, *without) if has_login(one)] == list(with_one)


def test_detections_on_the_nodes_own_broker_need_no_login_of_their_own() -> None:
    gate = CameraSettings(source="mqtt:///t/scene?format=axis")
    kept = source(CameraChange(source="mqtt:///t/scene", name="Gate"), gate)
    assert kept == gate.source
    with pytest.raises(MessageError, match=r"cameras\.door\.source: is on the node's own broker"):
        source(CameraChange(source="mqtt:///t/scene", user="u", password="p"), gate)
