"""The page about Home Assistant names every entity that the code announces, and no other."""

from __future__ import annotations

import re

import pytest

from edge_node.publish.homeassistant.camera import device
from edge_node.publish.homeassistant.node import node_device
from shared.wire.messages import Condition, ModeDefinition, RuleDefinition
from tests.docs.pages import DOCS
from tests.edge_node.publish.homeassistant.rules import EVERY_RULE, config

PAGE = (DOCS / "how-to" / "homeassistant.md").read_text()
_ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \| (yes|no) \|", re.MULTILINE)
Rows = set[tuple[str, str, str]]
RULES = {"at-the-till": RuleDefinition(when=Condition(trigger="stay", for_s=60))}


def told(table: str) -> Rows:
    """Name, kind, and whether it is on, of every row of a table of the page."""
    [text] = re.findall(rf"<!-- entities {table} -->(.*?)<!-- end -->", PAGE, re.DOTALL)
    return set(_ROW.findall(text))


def announced(table: str) -> Rows:
    """The same, of what the code announces."""
    line = {"points": [[0, 0], [1, 1]], "name": "*Line*"}
    edge = config({"zones": {"zone": EVERY_RULE | {"name": "*Zone*"}}, "lines": {"line": line}})
    camera = device(edge, "street", edge.cameras["street"], RULES)["components"]
    node = node_device(edge, {"home": ModeDefinition()}, thermometer=True)["components"]
    camera["class-person"]["name"] = "*Class* count"
    places = ("zone-", "line-")
    of_camera = {key: one for key, one in camera.items() if not key.startswith(places)}
    of_place = {key: one for key, one in camera.items() if key.startswith(f"{table}-")}
    components = {"node": node, "camera": of_camera}.get(table, of_place)
    return {
        (
            one["name"],
            one["platform"].replace("_", " "),
            "yes" if one.get("enabled_by_default", True) else "no",
        )
        for one in components.values()
        if one["platform"] != "device_automation"
    }


@pytest.mark.parametrize("table", ["camera", "zone", "line", "node"])
def test_the_page_has_the_entities_that_there_are(table: str) -> None:
    assert told(table) == announced(table)


def test_the_page_names_the_triggers_that_there_are() -> None:
    edge = config({"zones": {"till": EVERY_RULE}, "lines": {"door": {"points": [[0, 0], [1, 1]]}}})
    components = device(edge, "street", edge.cameras["street"], RULES)["components"].values()
    for one in components:
        if one["platform"] == "device_automation":
            assert f'`"{one["subtype"]}" {one["type"]}`' in PAGE
