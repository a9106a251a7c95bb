from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from edge_node.config import load
from edge_node.config.saved.cameras import CameraStore
from edge_node.config.settings import EdgeConfig
from edge_node.control.cameras import CameraCommands
from edge_node.control.commands import RefusedError
from shared.errors import ConfigError, MessageError, SourceError
from shared.wire.messages import CameraChange, Cameras, Request, encode
from tests.sources.onvif import OnvifCamera, Profile, onvif_camera


class Setup:
    """The commands of a node that does not run, and what they made of it."""

    def __init__(self, folder: Path, *, restart: list[str] | None = None, **says: Any) -> None:
        self.file = folder / "darner.yaml"
        door = {"source": "rtsp://admin:swordfish-77@h/door"}
        whole = {"node": "box", "zones_file": str(folder / "z.json"), "cameras": {"door": door}, **says}
        self.file.write_text(yaml.safe_dump(whole))
        self.store: CameraStore | None = CameraStore()
        self.told: list[Cameras] = []
        self.restarts = 0
        self.restart = restart or []
        self.commands = CameraCommands(
            self.read(), self.store, self.read, self.apply, self.tell, self.start_again
        )

    def read(self) -> EdgeConfig:
        return load.node(self.file, None, [], self.store)

    def apply(self) -> dict[str, Any]:
        self.read()
        return {"applied": [], "restart": self.restart, "warnings": []}

    def tell(self, fields: dict[str, Any]) -> None:
        self.told.append(Cameras(node="box", session="s", published_us=1, **fields))

    def start_again(self) -> None:
        self.restarts += 1


def wants(**cameras: CameraChange | None) -> Request:
    return Request(version=0, cameras=cameras)


def test_everybody_is_told_of_the_cameras_without_their_secrets(tmp_path: Path) -> None:
    setup = Setup(tmp_path, restart=["cameras.yard"])
    setup.commands.announce()
    yard = CameraChange(source="rtsp://h/yard", user="root", password="hunter-99")
    assert setup.commands.set(wants(yard=yard), None) == {"version": 1, "restarts": True}
    before, after = setup.told
    assert (before.version, before.changeable, before.why_not) == (0, "network", None)
    assert {name: (one.source, one.login, one.origin) for name, one in after.cameras.items()} == {
        "door": ("rtsp://h/door", True, "configuration"),
        "yard": ("rtsp://h/yard", True, "added"),
    }
    said = b"".join(map(encode, setup.told))
    assert not any(word in said for word in (b"swordfish", b"hunter", b"root", b"admin"))
    assert setup.restarts == 1


def test_what_needs_no_restart_makes_none(tmp_path: Path) -> None:
    setup = Setup(tmp_path, restart=["model.iou"])  # somebody else's business
    door = CameraChange(source="rtsp://h/door", name="Door", schedule="open")
    assert setup.commands.set(wants(door=door), None)["restarts"] is False
    assert setup.restarts == 0
    assert setup.told[-1].cameras["door"].schedule == "open"


def test_while_the_configuration_is_wrong_nothing_is_saved(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    setup.file.write_text("cameras: [")
    with pytest.raises(ConfigError, match="not valid YAML"):
        setup.commands.set(wants(door=None), None)
    assert not (tmp_path / "cameras-box.json").exists()


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ({"remote_cameras": "off"}, "remote_cameras is off"),
        ({"zones_file": None}, "zones_file is null"),
    ],
)
def test_a_node_whose_cameras_cannot_be_changed_says_why(
    tmp_path: Path, says: dict[str, Any], why: str
) -> None:
    setup = Setup(tmp_path, **says)
    setup.commands.announce()
    assert why in (setup.told[0].why_not or "")
    for handler in setup.commands.handlers().values():
        with pytest.raises(RefusedError, match=why):
            handler(wants(yard=CameraChange(source="rtsp://h/")), None)


def test_a_node_of_one_source_says_so(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    alone = CameraCommands(setup.read(), None, setup.read, setup.apply, setup.tell, setup.start_again)
    with pytest.raises(RefusedError, match="--source"):
        alone.set(wants(yard=CameraChange(source="rtsp://h/")), None)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request(version=0), "cameras and version are needed"),
        (Request(cameras={"yard": None}), "cameras and version are needed"),
        (Request(version=0, cameras={}), "cameras and version are needed"),
        (wants(yard=None), "no such camera"),
        (wants(yard=CameraChange(source="/etc/passwd")), "is a file or a device"),
    ],
)
def test_a_wrong_request_is_named(tmp_path: Path, request_: Request, words: str) -> None:
    with pytest.raises(MessageError, match=words):
        Setup(tmp_path).commands.set(request_, None)


def test_a_source_is_tried_before_it_is_saved(tmp_path: Path) -> None:
    file = tmp_path / "film.avi"
    film = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"MJPG"), 25, (1280, 720))
    for _ in range(5):
        film.write(np.full((720, 1280, 3), 200, np.uint8))
    film.release()
    setup = Setup(tmp_path, remote_cameras="any")
    seen = setup.commands.probe(wants(yard=CameraChange(source=str(file))), None)
    jpeg = np.frombuffer(base64.b64decode(seen.pop("jpeg_base64")), np.uint8)
    picture = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (360, 640, 3)
    assert (seen["codec"], seen["width"], seen["height"], seen["fps"]) == ("MJPEG", 1280, 720, 25)
    with pytest.raises(SourceError, match="Connection refused"):
        setup.commands.probe(wants(yard=CameraChange(source="rtsp://127.0.0.1:1/")), None)
    blind = Setup(tmp_path, cameras={"gate": {"source": "mqtt:///t/scene?format=axis"}})
    with pytest.raises(SourceError, match="no pictures, so there is nothing to try"):
        blind.commands.probe(wants(gate=CameraChange(source="mqtt:///t/scene")), None)
    for wrong in (wants(), wants(a=None), wants(a=CameraChange(source="x"), b=None)):
        with pytest.raises(MessageError, match="cameras"):
            setup.commands.probe(wrong, None)


def test_cameras_are_looked_for_from_the_node(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    camera = OnvifCamera([Profile("sub", "rtsp://127.0.0.1/sub")], login=("admin", "hunter-99"))
    with onvif_camera(camera):
        host = f"127.0.0.1:{camera.port}"
        nobody = setup.commands.discover(Request(host=host), None)
        found = setup.commands.discover(Request(host=host, user="admin", password="hunter-99"), None)
    assert nobody["cameras"][0]["denied"] is True
    assert found["cameras"][0]["streams"][0]["source"] == "rtsp://127.0.0.1/sub"
    assert "hunter" not in str(found)
    with pytest.raises(MessageError, match="host: must be an IPv4 address"):
        setup.commands.discover(Request(host="http://x/"), None)
    with pytest.raises(MessageError, match="belong together"):
        setup.commands.discover(Request(user="admin"), None)
