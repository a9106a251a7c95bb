"""Changes of calendar, mode and rules: the disk takes none of them, or the edge dies while it makes them."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.faults.processes import FaultError, wait_for
from tests.faults.system import START_WITHIN_S, System

DEATHS = 4
BURST = 30
"""Changes of each kind that are asked for before a death."""
_KINDS = ("calendar", "rules", "mode")


@contextmanager
def changes_cut_short(system: System, dice: random.Random) -> Iterator[None]:
    """Kill the edge amid its changes, again and again; what it has answered must hold."""
    for _ in range(DEATHS):
        asked = _ask_much(system)
        time.sleep(dice.uniform(0.02, 0.6))
        system.edge.kill()
        time.sleep(0.3)  # what the edge has said is on its way
        answered = {one: system.subscriber.answers.get(one) for one in asked}
        session = system.subscriber.said["calendar"]["session"]
        system.edge.start()
        _wait_for_another(session, system)
        _check(system, asked, answered)
    yield


def refused(system: System) -> None:
    """On a full disk, each change is refused, and nothing has changed."""
    before = {kind: _content(system, kind) for kind in _KINDS}
    for kind in _KINDS:
        answer = system.subscriber.request(f"{kind}.set", _body(kind, system, 1))
        if answer["error"] is None or "cannot be written" not in answer["error"]:
            raise FaultError(f"{kind}.set on a full disk: {answer['error']}")
    time.sleep(0.5)
    if changed := [kind for kind in _KINDS if _content(system, kind) != before[kind]]:
        raise FaultError(f"refused on a full disk, and changed all the same: {', '.join(changed)}")


def accepted(system: System) -> None:
    """Where the disk has room again, the same changes are made."""
    for kind in _KINDS:
        answer = system.subscriber.request(f"{kind}.set", _body(kind, system, 1))
        if answer["error"] is not None:
            raise FaultError(f"{kind}.set after a full disk: {answer['error']}")


def _version(system: System, kind: str) -> int:
    return int((system.subscriber.said.get(kind) or {}).get("version", 0))


def _body(kind: str, system: System, step: int) -> dict[str, Any]:
    """A change that says in its content which version it makes."""
    version = _version(system, kind) + step
    name = {"name": f"v{version}"}
    if kind == "calendar":
        modes: dict[str, Any] = {"open": {}, "closed": {}}
        return {"calendar": {"modes": modes, "schedules": {"night": name}}, "version": version - 1}
    if kind == "rules":
        rule = {**name, "when": {"trigger": "event", "events": ["loitering"]}}
        return {"rules": {"rule": rule}, "version": version - 1}
    return {"mode": ("closed", "open")[step % 2]}


def _ask_much(system: System) -> dict[str, tuple[str, dict[str, Any]]]:
    """Ask for many changes, without waiting for an answer; command and body by transaction."""
    asked = {}
    for step in range(1, BURST + 1):
        for kind in _KINDS:
            body = _body(kind, system, step)
            asked[system.subscriber.post(f"{kind}.set", body)] = kind, body
    return asked


def _wait_for_another(session: str, system: System) -> None:
    def there() -> bool:
        return all(system.subscriber.said[kind]["session"] != session for kind in _KINDS)

    wait_for(there, START_WITHIN_S, "calendar, rules and mode of a new session")


def _content(system: System, kind: str) -> object:
    said = system.subscriber.said.get(kind) or {}
    if kind == "mode":
        return said.get("mode"), said.get("by_hand")
    return said.get("version"), said.get("schedules" if kind == "calendar" else "rules")


def _check(
    system: System, asked: dict[str, tuple[str, dict[str, Any]]], answered: dict[str, dict[str, Any] | None]
) -> None:
    """What was answered must hold; what was not may have been made all the same."""
    results: dict[str, list[dict[str, Any]]] = {kind: [] for kind in _KINDS}
    for name, answer in answered.items():
        if answer is not None and answer["error"] is None:
            results[asked[name][0]].append(answer["result"])
    for kind in ("calendar", "rules"):
        version = _version(system, kind)
        newest = max((one["version"] for one in results[kind]), default=0)
        if version < newest:
            raise FaultError(f"{kind}: version {newest} was answered, and after a death there is {version}")
        (content,) = system.subscriber.said[kind]["schedules" if kind == "calendar" else "rules"].values()
        if version > 1 and content["name"] != f"v{version}":
            raise FaultError(f"{kind}: version {version} has the content of {content['name']}")
    wanted = [body["mode"] for kind, body in asked.values() if kind == "mode"]
    done, mode = len(results["mode"]), system.subscriber.said["mode"]["mode"]
    if done and mode not in wanted[done - 1 : done + 1]:
        raise FaultError(f"mode: {wanted[done - 1]} was answered, and after a death it is {mode}")
