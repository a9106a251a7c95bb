"""What is in force becomes a folder that wants just that."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import ConfigError
from shared.fleet.export import export
from shared.fleet.inventory import Inventory
from shared.fleet.plan import plan_node
from shared.fleet.wanted.folder import Folder
from shared.wire.messages import Crowd, FilterDefinition, LineDefinition, MaskDefinition, ZoneDefinition
from tests.shared.fleet.simulated import Simulated, known

SQUARE = ((0.1, 0.1), (0.5, 0.1), (0.5, 0.5), (0.1, 0.5))


def test_an_exported_folder_wants_what_is_there(tmp_path: Path) -> None:
    node, bare = (Simulated(lambda *_: None, "p", name) for name in ("null", "bare"))
    node.definitions.save(
        "till",
        {
            "007": ZoneDefinition(
                polygon=SQUARE, name="Küche: ja", queue=True, crowd=Crowd(count=3), classes=("car",)
            )
        },
        {"gate": LineDefinition(points=((0.0, 0.0), (1.0, 1.0)))},
        1,
        {"sky": MaskDefinition(polygon=SQUARE, by="overlap")},
        {"all": FilterDefinition(min_size=0.1)},
    )
    inventory = Inventory("p", ("*",))
    for one in (node, bare):
        for received in known(one):
            inventory.take(received)
    written = export(inventory.nodes.values(), tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in written] == ["bare/till.yaml", "null/till.yaml"]
    folder = Folder(tmp_path)
    assert [plan_node(one, folder).steps for one in inventory.nodes.values()] == [(), ()]
    node.definitions.save("till", {}, {}, 2)
    for received in known(node):
        inventory.take(received)
    [step] = plan_node(inventory.get("null"), folder).steps
    assert step.wanted["zones"]["007"]["crowd"] == {"count": 3, "after_s": 2.0}
    with pytest.raises(ConfigError, match="is there already"):
        export(inventory.nodes.values(), tmp_path)
