"""A user's automations: one for each thing that may happen, and what each of them was told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import orjson

from tests.homeassistant.house.server import HomeAssistant

_LINE = re.compile(r"^(\S+ \S+) \S+ \([^)]*\) \[triggered\] (.*)$", re.MULTILINE)
_MESSAGE = (
    "{{ {'of': '%s', 'before': (trigger.from_state.state if trigger.get('from_state') else none),"
    " 'after': (trigger.to_state.state if trigger.get('to_state') else none)} | to_json }}"
)


@dataclass(frozen=True, slots=True)
class Triggered:
    """One run of an automation.

    Attributes:
        at: When, seconds since 1970.
        of: What it waits for: the unique id of an entity, or a device trigger's type and subtype.
        before: The entity's state before.
        after: The entity's state that triggered it.
    """

    at: float
    of: str
    before: str | None
    after: str | None


def device_triggers(server: HomeAssistant, identifier: str) -> dict[str, dict[str, Any]]:
    """The triggers that the automation editor offers for a device, by type and subtype.

    Args:
        server: Home Assistant.
        identifier: Of the device.
    """
    listed = server.ask("device_automation/trigger/list", device_id=server.devices()[identifier]["id"])
    return {
        f"{one['type']} {one['subtype']}": {key: one[key] for key in one if key != "metadata"}
        for one in listed
        if one["domain"] == "mqtt"
    }


def install(server: HomeAssistant, identifier: str) -> set[str]:
    """Make an automation for every occupancy, event and device trigger of a device, as its editor does.

    Each is as simple as a user's first one: "when it turns on", "when it changes". An entity that comes back
    has its old state, which those of events leave out, as our page for users says.

    Args:
        server: Home Assistant.
        identifier: Of the device.

    Returns:
        What they wait for.
    """
    device = server.devices()[identifier]["id"]
    states = server.states()
    triggers: dict[str, dict[str, Any]] = {}
    for unique_id, entity in server.entities().items():
        name = entity["entity_id"]
        if entity["device_id"] != device or name not in states:
            continue
        if states[name]["attributes"].get("device_class") == "occupancy":
            triggers[unique_id] = {"trigger": "state", "entity_id": name, "to": "on"}
        elif name.startswith("event."):
            come = {"not_from": "unavailable", "not_to": ["unavailable", "unknown"]}
            triggers[unique_id] = {"trigger": "state", "entity_id": name} | come
    triggers |= device_triggers(server, identifier)
    for number, (of, trigger) in enumerate(sorted(triggers.items())):
        action = {"level": "warning", "logger": "triggered", "message": _MESSAGE % of}
        server.post(
            f"/api/config/automation/config/lab-{identifier}-{number}",
            {
                "alias": f"lab {of}",
                "mode": "parallel",
                "max": 1000,
                "triggers": [trigger],
                "actions": [{"action": "system_log.write", "data": action}],
            },
        )
    return set(triggers)


def triggered(log: Path, since: float = 0.0) -> list[Triggered]:
    """The runs of all automations after a moment, as Home Assistant wrote them down.

    Args:
        log: Its log.
        since: The moment, seconds since 1970.
    """
    return [Triggered(at=at, **one) for at, one in told(log) if at >= since and "before" in one]


def told(log: Path) -> list[tuple[float, dict[str, Any]]]:
    """Everything that automations and scripts wrote down, with the time in seconds since 1970.

    Args:
        log: Home Assistant's log.
    """
    found = []
    for stamp, text in _LINE.findall(log.read_text(errors="replace")):
        at = datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=timezone.utc).timestamp()
        found.append((at, orjson.loads(text)))
    return found
