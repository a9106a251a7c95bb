"""Names for people: any language, and nothing that could lie about what stands behind them."""

from __future__ import annotations

import jsonschema
import msgspec
import orjson
import pytest

from edge_node.config.settings import EdgeConfig
from shared.documents.schema import json_schema
from shared.errors import ConfigError, MessageError
from shared.settings import convert
from shared.wire.messages import CameraInfo, Request, ZoneDefinition, Zones, as_before_names, decode, encode
from shared.wire.messages.names import tidy

POLYGON = [[0, 0], [1, 0], [1, 1]]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("  Haustür 2 ", "Haustür 2"),
        ("Haustu\u0308r", "Haustür"),
        ("דלת כניסה", "דלת כניסה"),
        ("入口", "入口"),
        ("Garten 🏡", "Garten 🏡"),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
        ("بوابة\u200f 1", "بوابة\u200f 1"),
        ("=1+1 <b>", "=1+1 <b>"),
        (None, None),
    ],
)
def test_a_name_in_any_language_is_kept_in_its_composed_form(given: str | None, kept: str | None) -> None:
    assert tidy(given) == kept


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("a\u202egnp.exe", r"name holds the character U\+202E: leave out control characters"),
        ("a\nb", r"U\+000A"),
        ("a\n", r"U\+000A"),
        ("\x1b[31m", r"U\+001B"),
        ("\u2066a", r"U\+2066"),
        ("\ud800", r"U\+D800"),
        ("\u2028", r"U\+2028"),
        (" \u00a0", "shows nothing"),
        ("\u200b\u2060", "shows nothing"),
        ("\u0958" * 64, "takes 128 characters: use at most 64"),
    ],
)
def test_a_name_that_misleads_or_shows_nothing_is_refused(given: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        tidy(given)


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"node_name": "a\u202e"}, "f: node_name holds the character U\\+202E"),
        ({"cameras": {"c": {"source": "0", "name": "a\u202e"}}}, "f: cameras.c: name holds"),
        (
            {"cameras": {"c": {"source": "0", "zones": {"z": {"polygon": POLYGON, "name": "\t"}}}}},
            "f: cameras.c.zones.z: name holds the character U\\+0009",
        ),
        ({"cameras": {"c": {"source": "0", "name": "x" * 65}}}, "f: cameras.c.name: .*length <= 64"),
        ({"cameras": {"c": {"source": "0", "name": 5}}}, "f: cameras.c.name: 5: .*put it in quotes"),
    ],
)
def test_a_bad_name_in_a_configuration_is_said_with_its_key(given: object, key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        convert(EdgeConfig, given, where="f")


def test_a_command_with_a_bad_name_is_refused_in_words() -> None:
    zones = {"z": {"polygon": POLYGON, "name": "a\u202eb"}}
    with pytest.raises(MessageError, match=r"^name holds the character U\+202E.* at `\$\.zones"):
        decode(Request, orjson.dumps({"zones": zones}))


def test_the_schema_refuses_what_a_reader_refuses() -> None:
    schema = json_schema(Request)
    for name, fits in (("入口", True), ("a\u202eb", False), ("a\n", False), ("", False), ("x" * 65, False)):
        request = {"zones": {"z": {"polygon": POLYGON, "name": name}}}
        assert jsonschema.Draft202012Validator(schema).is_valid(request) is fits, ascii(name)


def test_messages_of_nodes_that_knew_no_names_are_read() -> None:
    head = {"schema": "darner.zones/1", "node": "n", "session": "s", "published_us": 1, "camera": "c"}
    old = head | {"version": 1, "zones": {"z": {"polygon": POLYGON}}, "lines": {}}
    assert decode(Zones, orjson.dumps(old)).zones["z"].name is None
    camera = {"camera": "c", "source": "x", "zones": 0, "lines": 0}
    assert msgspec.convert(camera, CameraInfo).name is None


def test_only_names_that_there_are_change_how_a_definition_is_kept() -> None:
    zone = ZoneDefinition(polygon=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)))
    named = ZoneDefinition(polygon=zone.polygon, name="Tor")
    kept = as_before_names({"a": zone, "b": named})
    assert "name" not in kept["a"]
    assert kept["b"]["name"] == "Tor"
    assert b'"name":"Tor"' in encode(named)
