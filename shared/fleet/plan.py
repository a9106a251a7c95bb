"""The difference between what is in force on a node and what is wanted: the steps that lead there."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

from shared.definitions.calendar import unknown_schedules
from shared.definitions.consistent import refuse_contradictions, refuse_shared_names, refuse_too_much
from shared.definitions.ignored import problems as ignored_problems
from shared.definitions.problems import problems
from shared.errors import ConfigError, MessageError
from shared.fleet.inventory import LIVE, Camera, Node, definitions_of, plain
from shared.fleet.node_wide import calendar_of, plan_wide, rules_of
from shared.fleet.steps import ORDER, NodePlan, Step
from shared.fleet.wanted.folder import Folder, Wanted
from shared.fleet.wanted.reading import DEFINITIONS
from shared.wire.messages import Zones

DECIMALS = 6
"""Of a live setting; nodes round to as many."""


def plan_node(node: Node, folder: Folder) -> NodePlan:
    """What a node needs, so that everything is as the folder says.

    Raises:
        ConfigError: The folder contradicts itself on this node, or on what stays of it.
    """
    if node.info is None:
        return NodePlan(node.name, node.online, blocked="has not said which cameras it has")
    lacking = node.lacks() if node.online else None
    if lacking is not None:
        return NodePlan(node.name, node.online, blocked=f"starts, and has not sent {lacking} yet")
    try:
        return _plan(node, folder)
    except MessageError as error:
        return NodePlan(node.name, node.online, blocked=f"sends what cannot be read: {error}")


def _plan(node: Node, folder: Folder) -> NodePlan:
    steps: list[Step] = []
    warnings: list[str] = []
    edits: dict[str, Wanted] = {}
    wide = plan_wide(node, folder.of_node(node.name))
    places: dict[str, Zones] = {}
    for name in node.listed:
        wanted = folder.of_camera(node.name, name)
        camera = node.cameras.get(name, Camera())
        if wanted.section("camera"):
            edits[name] = wanted
        changed = any(key in wanted.values for key in DEFINITIONS)
        if camera.zones and (changed or wide.rules is not None):  # else it is offline, and was never complete
            now = camera.definitions()
            then = {key: wanted.values[key] for key in DEFINITIONS if key in wanted.values}
            places[name] = dataclasses.replace(now, **then)
            if changed and (step := _definitions(node, name, now, places[name], wanted)):
                steps.append(step)
                warnings += [f"{name}: {one}" for one in _doubts(node, places[name], wide.schedules)]
        steps += _settings(name, camera, wanted)
    cameras, blocked = _cameras(node, edits)
    model, no_model = _model(node, folder.of_node(node.name))
    steps = sorted([*cameras, *model, *wide.steps, *steps], key=lambda step: ORDER.index(step.kind))
    warnings += wide.doubts(places)
    return NodePlan(
        node.name, node.online, tuple(steps), tuple(warnings), blocked or no_model or wide.blocked
    )


def _definitions(node: Node, name: str, now: Zones, after: Zones, wanted: Wanted) -> Step | None:
    file = next(wanted.files[key] for key in DEFINITIONS if key in wanted.files)
    try:
        refuse_shared_names(after.zones, after.lines, after.masks)
        refuse_contradictions(after.filters)
        refuse_too_much(name, after)
    except ConfigError as error:
        raise ConfigError(f"{file}: with what {node.name}/{name} has besides: {error}") from None
    before, then = definitions_of(now), definitions_of(after)
    return None if before == then else Step("definitions", name, before, then, now.version)


def _doubts(node: Node, after: Zones, schedules: Collection[str]) -> list[str]:
    """What has no effect in definitions, given the model and the calendar of their node."""
    classes = () if node.info is None else node.info.model.classes
    return [
        *problems(after.zones, after.lines, classes),
        *ignored_problems(after.masks, after.filters, classes),
        *unknown_schedules(after.zones, after.lines, after.masks, schedules),
    ]


def _settings(name: str, camera: Camera, wanted: Wanted) -> list[Step]:
    if camera.settings is None:
        return []
    before, then = {}, {}
    for key, value in wanted.section("settings").items():
        exact = round(value, DECIMALS) if isinstance(value, float) else value
        if getattr(camera.settings, key) != exact:
            before[key], then[key] = getattr(camera.settings, key), exact
    return [Step("settings", name, before, then)] if then else []


def _cameras(node: Node, edits: Mapping[str, Wanted]) -> tuple[list[Step], str | None]:
    """One step for all cameras of a node, which then starts again only once; and why there can be none."""
    saved = node.saved
    if saved is None or not edits:
        return [], None
    before: dict[str, dict[str, Any]] = {}
    then: dict[str, dict[str, Any]] = {}
    for name, wanted in edits.items():
        entry = saved.cameras.get(name)
        if entry is None:
            continue
        for key, value in wanted.section("camera").items():
            if getattr(entry, key) != value:
                before.setdefault(name, {})[key] = getattr(entry, key)
                then.setdefault(name, {})[key] = value
    if not then:
        return [], None
    if saved.why_not is not None:
        return [], f"its cameras cannot be changed over MQTT: {saved.why_not}"
    return [Step("cameras", "", before, then, saved.version)], None


def _model(node: Node, wanted: Wanted) -> tuple[list[Step], str | None]:
    sha256 = wanted.values.get("model.sha256")
    if sha256 is None or node.info is None or node.info.model.sha256 == sha256:
        return [], None
    if node.info.model.sha256 is None:
        return [], f"{wanted.files['model.sha256']} wants a model, but the node's model is on a server"
    return [Step("model", "", {"sha256": node.info.model.sha256}, {"sha256": sha256})], None


def in_force(node: Node, step: Step) -> Mapping[str, Any] | None:
    """What a node has now of what a step changes, by the step's keys; None: it does not say."""
    camera = node.cameras.get(step.camera, Camera())
    if step.kind == "definitions":
        return None if not camera.zones else definitions_of(camera.definitions())
    if step.kind == "settings":
        said = camera.settings
        return None if said is None else {key: getattr(said, key) for key in LIVE if key in step.wanted}
    if step.kind == "model":
        return None if node.info is None else {"sha256": node.info.model.sha256}
    if step.kind == "calendar":
        return calendar_of(node, step.wanted)
    if step.kind == "rules":
        return rules_of(node)
    if node.saved is None or not step.wanted.keys() <= node.saved.cameras.keys():
        return None
    return {
        name: {key: plain(getattr(node.saved.cameras[name], key)) for key in keys}
        for name, keys in step.wanted.items()
    }


def version_of(node: Node, step: Step) -> int | None:
    """The version in force of what a step changes; None where there are none."""
    camera = node.cameras.get(step.camera)
    if step.kind == "definitions":
        return None if camera is None or camera.head is None else camera.head.version
    if step.kind == "calendar":
        return node.calendar.version if node.calendar else 0
    if step.kind == "rules":
        return node.rules.version if node.rules else 0
    return node.saved.version if step.kind == "cameras" and node.saved is not None else None
