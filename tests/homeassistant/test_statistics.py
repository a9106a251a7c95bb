"""The statistics of Home Assistant count what the node counts, once, whatever is restarted."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any

import pytest

from tests.conftest import wait_until
from tests.homeassistant.house.account import counted
from tests.homeassistant.house.site import DEVICE, ZONES, Site

TOTALS = [(f"zone-{zone}-entered", zone) for zone in ZONES] + [("line-path-in", "path")]


def people_come(site: Site) -> None:
    """Let people into every zone, and out again; Home Assistant may be down meanwhile."""
    began = time.time()
    site.scene.people()
    wait_until(lambda: all(_occupancies(site, zone, began) - {0} for zone in ZONES), 60)
    site.scene.nobody()
    site.wait_nobody()
    time.sleep(2)


def _occupancies(site: Site, zone: str, since: float) -> set[int]:
    heard = site.recorder.since(since, f"/zone/{zone}")
    return {one.body["occupancy"] for one in heard if one.body and not one.retained}


@pytest.mark.timeout(900)
def test_no_total_is_lost_or_counted_twice(site: Site) -> None:
    people_come(site)
    site.node.kill()
    site.node.start()
    people_come(site)
    site.server.kill()
    people_come(site)
    site.server.start()
    site.wait_state("zone-everywhere-count", "0")
    people_come(site)
    # Both are down, and the node counts before Home Assistant is back.
    site.server.kill()
    site.end_node()
    site.node.start()
    people_come(site)
    site.server.start()
    site.wait_state("zone-everywhere-count", "0")
    finished = time.time()
    totals: dict[str, int] = {}
    for key, zone in TOTALS:
        heard = [one for one in site.recorder.since(0, f"/zone/{zone}") if not one.retained]
        totals[key] = counted(heard, "entered")
        print(f"{key}: {totals[key]}")
    assert sum(totals.values()) > 20
    assert {key: _sum(site, key, finished) for key in totals} == totals


def _sum(site: Site, key: str, finished: float) -> float:
    """The sum in the statistics of an entity, once they reach beyond a moment."""
    name = site.server.entities()[f"{DEVICE}.{key}"]["entity_id"]
    begin = datetime.fromtimestamp(finished - 7200, timezone.utc).isoformat()
    wanted = {"start_time": begin, "statistic_ids": [name], "period": "5minute", "types": ["sum"]}

    def rows() -> list[dict[str, Any]]:
        found = site.server.ask("recorder/statistics_during_period", **wanted).get(name, [])
        return [row for row in found if row["end"] / 1000 > finished]

    wait_until(rows, 660)
    total: float = rows()[0]["sum"]
    return total
