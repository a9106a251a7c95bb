"""The difference between what is in force on a node and what is wanted: the steps that lead there."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from shared.definitions.consistent import refuse_contradictions, refuse_shared_names, refuse_too_much
from shared.definitions.ignored import problems as ignored_problems
from shared.definitions.problems import problems
from shared.errors import ConfigError, MessageError
from shared.fleet.inventory import LIVE, Camera, Node, definitions_of, plain
from shared.fleet.node_wide import calendar_of, rules_of, wanted_calendar
from shared.fleet.wanted.folder import Folder, Wanted
from shared.fleet.wanted.reading import DEFINITIONS
from shared.wire.messages import Zones

Kind = Literal["cameras", "model", "calendar", "definitions", "rules", "settings"]
ORDER: tuple[Kind, ...] = ("cameras", "model", "calendar", "definitions", "rules", "settings")
"""In which order a node is changed: cameras first, because a node may start again for them, and then forgets
the settings. Zones name schedules of the calendar, and rules name both."""
DECIMALS = 6
"""Of a live setting; nodes round to as many."""
RESTARTING = frozenset({"transport", "reader", "max_fps"})
"""Keys of a camera for which a node starts again."""


@dataclass(frozen=True)
class Step:
    """One change of one node.

    Attributes:
        kind: Which command makes it.
        camera: Which camera it is about; empty: the node.
        before: What is in force, by key. Of cameras, by camera first.
        wanted: What shall be, by the same keys.
        version: The version that it replaces; None where there are no versions.
    """

    kind: Kind
    camera: str
    before: Mapping[str, Any]
    wanted: Mapping[str, Any]
    version: int | None = None

    @property
    def restarts(self) -> bool:
        """Whether the node starts again for it."""
        return self.kind == "cameras" and any(RESTARTING & one.keys() for one in self.wanted.values())


@dataclass(frozen=True)
class NodePlan:
    """What one node needs.

    Attributes:
        node: Its identifier.
        online: Whether it runs.
        steps: What would change, in the order in which it is done.
        warnings: What a person should read first.
        blocked: Why nothing can be said or done; None: it can.
    """

    node: str
    online: bool
    steps: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = field(default=())
    blocked: str | None = None


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
    for name in node.listed:
        wanted = folder.of_camera(node.name, name)
        camera = node.cameras.get(name, Camera())
        if wanted.section("camera"):
            edits[name] = wanted
        if any(key in wanted.values for key in DEFINITIONS):
            step, found = _definitions(node, name, camera, wanted)
            steps += [] if step is None else [step]
            warnings += found
        steps += _settings(name, camera, wanted)
    blocked = None
    cameras, blocked = _cameras(node, edits)
    of_node = folder.of_node(node.name)
    model, no_model = _model(node, of_node)
    wide, unable = _node_wide(node, of_node)
    steps = sorted([*cameras, *model, *wide, *steps], key=lambda step: ORDER.index(step.kind))
    return NodePlan(node.name, node.online, tuple(steps), tuple(warnings), blocked or no_model or unable)


def _definitions(node: Node, name: str, camera: Camera, wanted: Wanted) -> tuple[Step | None, list[str]]:
    if not camera.zones:
        return None, []  # a node that is offline, and was never complete
    zones = camera.definitions()
    after = dataclasses.replace(
        zones, **{key: wanted.values[key] for key in DEFINITIONS if key in wanted.values}
    )
    file = next(wanted.files[key] for key in DEFINITIONS if key in wanted.files)
    try:
        refuse_shared_names(after.zones, after.lines, after.masks)
        refuse_contradictions(after.filters)
        refuse_too_much(name, after)
    except ConfigError as error:
        raise ConfigError(f"{file}: with what {node.name}/{name} has besides: {error}") from None
    before, then = definitions_of(zones), definitions_of(after)
    if before == then:
        return None, []
    classes = () if node.info is None else node.info.model.classes
    warnings = [f"{name}: {one}" for one in _unknown_classes(after, classes)]
    return Step("definitions", name, before, then, zones.version), warnings


def _unknown_classes(after: Zones, classes: tuple[str, ...]) -> list[str]:
    found = problems(after.zones, after.lines, classes)
    return found + ignored_problems(after.masks, after.filters, classes)


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


def _node_wide(node: Node, wanted: Wanted) -> tuple[list[Step], str | None]:
    """The steps about a node's calendar and rules, and why there can be none."""
    steps = []
    if parts := wanted.section("calendar"):
        then = wanted_calendar(parts)
        before = calendar_of(node, then)
        changed = [key for key in then if not alike({key: before[key]}, {key: then[key]})]
        if changed:
            old, new = ({key: one[key] for key in changed} for one in (before, then))
            version = node.calendar.version if node.calendar else 0
            steps.append(Step("calendar", "", old, new, version))
    if "rules" in wanted.values:
        then, before = {"rules": plain(wanted.values["rules"])}, rules_of(node)
        if then != before:
            steps.append(Step("rules", "", before, then, node.rules.version if node.rules else 0))
    known = () if node.info is None else node.info.capabilities
    for step in steps:
        if step.kind not in known:
            return [], f"its version of Darner knows no {step.kind}"
    return steps, None


def alike(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two states of what a step changes are the same. The first mode is that of every day."""
    modes = [list(one.get("modes", ())) for one in (first, second)]
    return first == second and modes[0] == modes[1]


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


def as_builtins(plan: NodePlan) -> dict[str, Any]:
    """A plan as JSON has it."""
    made: dict[str, Any] = msgspec.to_builtins(plan)
    return made
