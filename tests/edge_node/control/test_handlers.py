"""What a command's handler puts into its answer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.live import LiveStore
from edge_node.config.settings import EdgeConfig
from edge_node.control.commands import RefusedError
from edge_node.control.handlers import Control
from shared.wire import messages
from shared.wire.messages import Request, Response
from tests.edge_node.publish.analysed import analysed


def control(room: int) -> Control:
    """The commands of a node. A JPEG of one camera's frame cannot be small; the other has no pictures."""
    cameras = {"street": CameraSettings(source=0), "gate": CameraSettings(source="mqtt:///t?format=axis")}
    parts = SimpleNamespace(
        watches=dict.fromkeys(cameras), without_pictures={"gate"}, newest=lambda _: analysed(noise=True)
    )
    some = cast(Any, parts)
    live = LiveStore(EdgeConfig(cameras=cameras))
    return Control(some, some, some, live, some, some, lambda: None, lambda: room)


@pytest.mark.parametrize("room", [1_000_000, 128_000, 30_000])
def test_a_snapshot_is_made_small_enough_for_the_broker(room: int) -> None:
    """Some brokers in the cloud take packets of 128 KB at most."""
    result = control(room).snapshot(Request(camera="street"), None)
    answer = Response(node="n" * 64, session="s" * 64, published_us=1, command="snapshot", result=result)
    assert len(messages.encode(answer)) <= room
    assert result["width"] > 0


def test_a_snapshot_for_which_there_is_no_room_is_refused() -> None:
    with pytest.raises(RefusedError, match="cannot be made small enough"):
        control(500).snapshot(Request(camera="street"), None)


def test_a_camera_without_pictures_refuses_what_needs_them_and_takes_the_rest() -> None:
    node = control(1_000_000)
    for request, handler in (
        (Request(camera="gate"), node.snapshot),
        (Request(camera="gate", thumbnail_fps=2.0), node.set),
    ):
        with pytest.raises(
            RefusedError, match="camera 'gate' has no pictures: its detections come over MQTT"
        ):
            handler(request, None)
    cameras = node.set(Request(thumbnail_fps=2.0, confidence=0.3), None)["cameras"]
    assert {name: (one["thumbnail_fps"], one["confidence"]) for name, one in cameras.items()} == {
        "street": (2.0, 0.3),
        "gate": (0.0, 0.3),
    }
