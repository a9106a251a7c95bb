"""The statistics of Home Assistant count what the node counts, once, whatever is restarted."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.conftest import wait_until
from tests.homeassistant.house.account import counted
from tests.homeassistant.house.site import CALENDAR, CAMERA, DEVICE, NODE, ZONES, Site

TOTALS = [(f"zone-{zone}-entered", zone) for zone in ZONES] + [("line-path-in", "path")]
OF_THE_DAY = {f"zone-{zone}-entered_today": zone for zone in ZONES}
DAYS = 3
"""How many days begin while people come and go."""


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


def days_begin(site: Site, starts: list[str]) -> None:
    """Have the day of the counters begin at other times, UTC."""
    kept = site.recorder.last[f"{NODE}/calendar"].body
    assert kept is not None
    answer = site.ask("calendar.set", version=kept["version"], calendar=CALENDAR | {"day_starts": starts})
    assert answer["error"] is None, answer


def days_pass(site: Site) -> None:
    """Let people come and go while days begin, as many as there are minutes."""
    soon = datetime.now(timezone.utc)
    days_begin(site, [f"{soon + timedelta(minutes=n):%H:%M}" for n in range(1, DAYS + 2)])
    began: set[int] = set()
    while len(began) < DAYS:
        people_come(site)
        body = site.recorder.last[f"{NODE}/camera/{CAMERA}/zone/everywhere"].body
        assert body is not None
        began.add(body["day"]["since_us"])
    days_begin(site, ["00:00"])


@pytest.mark.timeout(1200)
def test_no_total_is_lost_or_counted_twice(site: Site) -> None:
    people_come(site)
    days_pass(site)
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
    for key, zone in OF_THE_DAY.items():
        totals[key] = len(_entries(site, zone))
    print(totals)
    assert sum(totals.values()) > 20
    assert {key: _sum(site, key, finished) for key in totals} == totals


def _entries(site: Site, zone: str) -> set[str]:
    """The identifiers of all events that somebody has entered a zone."""
    said = [one.body for one in site.recorder.since(0, "/events") if one.body]
    return {one["event_id"] for one in said if (one["type"], one["zone"]) == ("zone_entered", zone)}


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
