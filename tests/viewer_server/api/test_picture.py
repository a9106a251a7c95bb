"""The picture of a camera that nobody watches: it is asked for, waited for, or said not to come."""

from __future__ import annotations

import threading
import time

import pytest

from shared.asking.requests import Busy
from tests.viewer_server import wire
from tests.viewer_server.fake_edge import picture_of
from tests.viewer_server.mqtt.test_media import Broker, of
from viewer_server.api import newest
from viewer_server.api.endpoint import Refused
from viewer_server.api.newest import Newest
from viewer_server.api.schemas.common import Nothing
from viewer_server.mqtt import media
from viewer_server.mqtt.media import Media
from viewer_server.stored.reading import Database


class Viewer(Broker):
    """A viewer's endpoints, by the real clock."""

    def __init__(self, *cameras: str) -> None:
        super().__init__(*cameras)
        self.media = Media(self, "darner/v1", self.hub, self.interests)
        self._newest = Newest(self.hub, Database(None), self.media)

    def picture(self) -> bytes:
        return bytes(self._newest.camera_picture(Nothing(), "n", "c").data)

    def why_not(self, status: int) -> str:
        with pytest.raises(Refused) as refused:
            self.picture()
        assert refused.value.status == status
        return refused.value.detail


def test_a_picture_that_nobody_watches_is_asked_for_and_waited_for() -> None:
    viewer = Viewer("c")

    def answer() -> None:
        while viewer.filters != of("c"):
            time.sleep(0.005)
        viewer.frames(3)

    thread = threading.Thread(target=answer)
    thread.start()
    assert viewer.picture() == picture_of(3)
    thread.join()


def test_a_picture_that_does_not_come_is_said_to_be_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newest, "WAIT_S", 0.05)
    viewer = Viewer("c")
    assert viewer.why_not(504) == "no picture of camera c of node n within 0.05 s; its thumbnail.fps may be 0"
    monkeypatch.setattr(media, "MAX_WAITING", 0)
    with pytest.raises(Busy, match="0 requests wait for a picture already"):
        Viewer("c").picture()


def test_a_camera_that_gives_none_is_not_waited_for() -> None:
    viewer = Viewer("c")
    viewer.hub.handle(wire.camera(status="reconnecting"))
    assert viewer.why_not(404) == "no picture of camera c of node n: the camera is reconnecting"
    viewer.hub.handle(wire.status(status="offline"))
    assert viewer.why_not(404) == "no picture of camera c of node n: the node is offline"
    assert "knows no such camera" in Viewer().why_not(404)
