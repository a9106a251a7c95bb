from __future__ import annotations

import pytest

from edge_node.discover.markup import MarkupError
from edge_node.discover.multicast import Answer, interfaces, read, search
from edge_node.discover.soap import Endpoint
from shared.errors import ConfigError, SourceError
from tests.sources.onvif import OnvifCamera, onvif_camera


def test_a_camera_in_the_network_answers_once() -> None:
    with onvif_camera(OnvifCamera([])) as running:
        found = search(["127.0.0.1"], 0.7, running.multicast_port)  # long enough to ask twice
        service = Endpoint("127.0.0.1", running.port, "/onvif/device_service")
    assert found == [Answer(service, "Front door", "Dome2")]


def test_where_no_camera_is_nobody_answers() -> None:
    assert search(["127.0.0.1"], 0.1, 1) == []
    assert search([], 5) == []


def test_an_interface_is_named_by_name_or_address() -> None:
    assert interfaces(["lo"]) == interfaces(["127.0.0.1"]) == ["127.0.0.1"]
    assert "127.0.0.1" not in interfaces([])
    with pytest.raises(ConfigError, match=r"--interface eth77: no interface has this name.*lo"):
        interfaces(["eth77"])


def said(match: str) -> bytes:
    return f"<E><B><ProbeMatches><ProbeMatch>{match}</ProbeMatch></ProbeMatches></B></E>".encode()


def test_of_several_addresses_the_one_that_answered_is_taken() -> None:
    named = "<XAddrs>http://10.0.0.9/a http://[fe80::1]/b https://192.168.1.20:8443/c?d=1</XAddrs>"
    found = read(said(named), "192.168.1.20")
    assert found == Answer(Endpoint("192.168.1.20", 8443, "/c?d=1", secure=True))


def test_a_camera_that_names_only_another_host_is_asked_where_it_answered() -> None:
    found = read(said("<XAddrs>http://169.254.1.1:8000/a</XAddrs>"), "192.168.1.20")
    assert found is not None
    assert found.service.url == "http://192.168.1.20:8000/a"


def test_what_a_camera_calls_itself_cannot_steer_a_terminal() -> None:
    scopes = "<Scopes>onvif://www.onvif.org/name/a%1B%5B2Jb%0Ac</Scopes><XAddrs>http://h/</XAddrs>"
    found = read(said(scopes), "192.168.1.20")
    assert found is not None
    assert found.name.isprintable()


def test_other_datagrams_are_no_answer() -> None:
    assert read(b"<Hello/>", "192.168.1.20") is None
    with pytest.raises(MarkupError):
        read(b"\xff\x00", "192.168.1.20")
    for addresses in (
        "",
        "<XAddrs/>",
        "<XAddrs>ftp://192.168.1.20/ x</XAddrs>",
        "<XAddrs>http://h:x/</XAddrs>",
    ):
        with pytest.raises(SourceError):
            read(said(addresses), "192.168.1.20")
