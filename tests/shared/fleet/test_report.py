"""What people read stays short with thousands of nodes, and shows nothing that could move their cursor."""

from __future__ import annotations

from pathlib import Path

from shared.fleet.inventory import Inventory
from shared.fleet.plan import plan_node
from shared.fleet.report import plan_text, table
from shared.fleet.wanted.folder import Folder
from tests.shared.fleet.simulated import Simulated, known

NODES = 200


def fleet() -> Inventory:
    inventory = Inventory("p", ("*",))
    for number in range(NODES):
        node = Simulated(lambda *_: None, "p", f"shop-{number}")
        if number == 7:
            node.live["confidence"] = 0.9
        for received in known(node):
            inventory.take(received)
    return inventory


def test_nodes_with_the_same_changes_stand_together(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("settings: {confidence: 0.4}")
    folder = Folder(tmp_path)
    nodes = fleet().nodes
    text = plan_text([plan_node(node, folder) for node in nodes.values()])
    assert text.splitlines() == [
        "199 nodes: shop-0, shop-1, shop-10 and 196 more",
        "  till: settings.confidence: 0.25 -> 0.4",
        "shop-7",
        "  till: settings.confidence: 0.9 -> 0.4",
        "200 of 200 nodes differ from what the folder says, 0 do not",
    ]


def test_the_table_of_many_nodes_has_those_that_are_unlike_the_others() -> None:
    inventory = fleet()
    odd = Simulated(lambda *_: None, "p", "shop-7")
    odd.model, odd.status = "b" * 64, "reconnecting"
    for received in known(odd):
        inventory.take(received)
    text = table(inventory.nodes.values(), None, everything=False).splitlines()
    assert text[1].split() == ["shop-7", "online", "1", "m", "bbbbbbbb", "0/1", "till", "1"]
    assert text[2] == "200 nodes, 200 online"
    assert len(table(inventory.nodes.values(), None, everything=True).splitlines()) == NODES + 2
