"""Earlier definitions of zones, lines, masks and filters: what is kept of them, and how much."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from shared.wire.messages import FilterDefinition, LineDefinition, MaskDefinition, ZoneDefinition, Zones
from viewer_server.quotas import Quotas
from viewer_server.stored.versions import KEPT, Versions


def zones_of(number: int, camera: str = "yard", node: str = "n") -> Zones:
    corner = (number / 1000, 0.5)
    return Zones(
        node=node, session="s", published_us=1, camera=camera, version=number,
        zones={"z": ZoneDefinition(polygon=((0.0, 0.0), (1.0, 0.0), corner))},
        lines={"l": LineDefinition(points=((0.0, 0.0), corner))},
    )  # fmt: skip


def test_the_newest_versions_are_kept_and_repeats_are_none(tmp_path: Path) -> None:
    path = tmp_path / "zones.db"
    with Versions(path) as kept:
        for number in range(1, KEPT + 11):
            kept.add(zones_of(number))
            kept.add(zones_of(number))
        kept.add(zones_of(1, "other"))
    with Versions(path) as kept, Versions(path) as another:  # the second cannot open it, and goes without
        assert [one["version"] for one in kept.of("n", "yard")] == list(range(KEPT + 10, 10, -1))
        assert kept.of("n", "yard")[0]["lines"]["l"]["points"] == [[0.0, 0.0], [0.04, 0.5]]
        assert [one["version"] for one in kept.of("n", "other")] == [1]
        another.add(zones_of(5))
        assert [one["version"] for one in another.of("n", "yard")] == [5]


def test_what_a_standby_broker_still_has_is_no_new_version() -> None:
    with Versions(None) as kept:
        for number in (1, 2, 3):
            kept.add(zones_of(number))
        kept.add(zones_of(1))
        assert [one["version"] for one in kept.of("n", "yard")] == [3, 2, 1]
        kept.add(replace(zones_of(1), version=4))
        kept.add(replace(zones_of(7), version=1))
        found = kept.of("n", "yard")
    assert [one["version"] for one in found] == [1, 4, 3, 2, 1], "restored, and of a node that began anew"


def test_masks_and_filters_are_kept_and_a_node_without_any_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "zones.db"
    old = json.dumps({"lines": {}, "zones": {}}, separators=(",", ":")).encode()
    with Versions(path) as kept:
        kept.add(replace(zones_of(1), zones={}, lines={}))
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT definitions FROM versions").fetchall() == [(old,)], "as older viewers wrote"
    db.close()
    sky = MaskDefinition(polygon=((0.0, 0.0), (1.0, 0.0), (1.0, 0.5)))
    with Versions(path) as kept:
        kept.add(replace(zones_of(1), zones={}, lines={}))
        kept.add(replace(zones_of(2), masks={"sky": sky}, filters={"all": FilterDefinition(score=0.5)}))
        newest, first = kept.of("n", "yard")
        assert newest["masks"]["sky"]["polygon"] == [[0.0, 0.0], [1.0, 0.0], [1.0, 0.5]]
        assert newest["filters"]["all"]["score"] == 0.5
        assert (first["masks"], first["filters"]) == ({}, {})


def test_a_name_makes_a_version_and_no_name_makes_none() -> None:
    zone = zones_of(1).zones["z"]
    with Versions(None) as kept:
        kept.add(zones_of(1))
        assert "name" not in kept.of("n", "yard")[0]["zones"]["z"], "as older viewers kept it"
        kept.add(replace(zones_of(2), zones={"z": replace(zone, name="Tür")}))
        assert [one["zones"]["z"].get("name") for one in kept.of("n", "yard")] == ["Tür", None]


def test_all_cameras_together_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("viewer_server.stored.versions.MAX_BYTES", 20_000)
    with Versions(None) as kept:
        for number in range(1, 201):
            kept.add(zones_of(number, f"c{number % 20}"))
        sizes = [len(json.dumps(kept.of("n", f"c{number}"))) for number in range(20)]
    assert 5_000 < sum(sizes) < 40_000


def test_the_node_that_has_the_most_loses_its_oldest_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("viewer_server.stored.versions.MAX_BYTES", 20_000)
    quotas = Quotas()
    with Versions(None, quotas) as kept:
        for number in range(5):
            kept.add(zones_of(number))
        for number in range(500):
            kept.add(zones_of(number, f"c{number}", "evil"))
        assert len(kept.of("n", "yard")) == 5
        assert len(kept.of("evil", "c499")) == 1
        assert kept.of("evil", "c0") == []
    assert {one.node for one in quotas.reached()} == {"evil"}
