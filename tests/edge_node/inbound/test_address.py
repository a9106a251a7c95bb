"""The address of a camera whose detections come over MQTT."""

from __future__ import annotations

import pytest

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.sources import check_source, describe, is_read_fast, kind_of, may_come_later
from edge_node.mqtt_source import parse
from shared.errors import SourceError


def test_an_address_names_broker_login_topic_and_format() -> None:
    one = parse(
        "mqtts://me:p%40ss@broker.example:8884/site/cam%201/scene?format=axis&ids=ours&quiet=yes&size=800x600"
    )
    assert (one.url, one.username, one.password) == ("mqtts://broker.example:8884", "me", "p@ss")
    assert (one.topic, one.form, one.ours, one.quiet, one.size) == (
        "site/cam 1/scene",
        "axis",
        True,
        True,
        (800, 600),
    )
    assert "p@ss" not in repr(one)


def test_an_address_without_a_host_is_the_nodes_own_broker() -> None:
    one = parse("mqtt:///darner/v1/gate/camera/a/detections?format=darner")
    assert (one.host, one.topic, one.ours, one.quiet) == (
        "",
        "darner/v1/gate/camera/a/detections",
        False,
        False,
    )


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("mqtt://h/t", "format= is not known; it is one of axis, onvif, frigate, darner"),
        ("mqtt://h/t?format=xml", "format=xml is not known"),
        ("mqtt://h/?format=axis", "names no topic"),
        ("mqtt://h/a/+/b?format=axis", "without the wildcards"),
        ("mqtt://h/a/#?format=axis", "format= is not known"),
        ("mqtt://h/a/%23?format=axis", "without the wildcards"),
        ("mqtt://h/$SYS/x?format=axis", "without a $"),
        ("mqtt://h:99999/t?format=axis", "is no address"),
        ("mqtts:///t?format=axis", "names no host"),
        ("mqtt://h/t?format=axis&color=red", "?color= is not known"),
        ("mqtt://h/t?format=axis&ids=mine", "it is theirs or ours"),
        ("mqtt://h/t?format=axis&size=big", "write it as 1280x720"),
        ("mqtt://h/frigate/events?format=frigate&size=1280x720", "needs &camera=NAME"),
        ("mqtt://h/frigate/events?format=frigate&camera=yard", "needs &size="),
    ],
)
def test_what_is_wrong_with_an_address_is_said_in_one_sentence(source: str, said: str) -> None:
    with pytest.raises(SourceError) as refused:
        check_source("yard", source)
    assert said in str(refused.value)
    assert str(refused.value).startswith("camera yard: source 'mqtt")


def test_it_is_live_and_shown_without_its_login() -> None:
    source = "mqtt://me:secret@h/t?format=axis"
    assert (kind_of(source), may_come_later(source)) == ("mqtt", True)
    assert not is_read_fast(CameraSettings(source=source, pace="fast"))
    assert "secret" not in describe(source)


def test_a_camera_without_pictures_publishes_none_and_refuses_what_needs_them() -> None:
    settings = CameraSettings(source="mqtt://h/t?format=axis")
    assert (settings.thumbnail.fps, settings.snapshot.enabled, settings.suspects.after_s) == (0.0, False, 0.0)
    for key, value in (("motion_gate", 3.0), ("region", (0.0, 0.0, 0.5, 0.5)), ("tiles", "auto")):
        with pytest.raises(ValueError, match=f"{key}: detections over MQTT come without pictures"):
            CameraSettings(source="mqtt://h/t?format=axis", **{key: value})  # type: ignore[arg-type]  # of any key
