"""What people read: plans, states and results as text that stays short with thousands of nodes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from shared.fleet.inventory import Node
from shared.fleet.rollout import Result
from shared.fleet.steps import NodePlan, Step
from shared.fleet.wanted.reading import DEFINITIONS

MOST_GROUPS = 20
"""Groups of nodes with the same changes that are printed without --all."""
MOST_ROWS = 100
"""Rows of the table of nodes that are printed without --all."""
_LONGEST = 300


def shown(text: object) -> str:
    """Text from the wire, made safe for a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(text)[:_LONGEST])


def some(names: Sequence[str], most: int = 3) -> str:
    """A few of some names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def changes(step: Step) -> list[str]:
    """What a step changes, in short lines."""
    if step.kind == "definitions":
        return [
            f"{step.camera}: {key}: {said}"
            for key in DEFINITIONS
            if (said := _difference(step.before.get(key, {}), step.wanted.get(key, {})))
        ]
    if step.kind == "cameras":
        again = " (the node starts again)" if step.restarts else ""
        return [
            f"{camera}: camera.{key}: {_change(step.before.get(camera, {}), values, key)}{again}"
            for camera, values in sorted(step.wanted.items())
            for key in values
        ]
    if step.kind in ("calendar", "rules"):
        return list(_node_wide(step))
    section = "model" if step.kind == "model" else f"{step.camera}: settings"
    return [f"{section}.{key}: {_change(step.before, step.wanted, key)}" for key in step.wanted]


def _node_wide(step: Step) -> Iterator[str]:
    """What a step changes of a node's calendar or rules."""
    for key in step.wanted:
        before, then = step.before.get(key), step.wanted[key]
        path = key if step.kind == "rules" else f"calendar.{key}"
        if key in ("modes", "schedules", "rules"):
            yield f"{path}: {_difference(before or {}, then) or 'another order'}"
        else:
            yield f"{path}: {_value(before)} -> {_value(then)}"


def _difference(before: Mapping[str, Any], then: Mapping[str, Any]) -> str:
    """What becomes of zones, such as "+ new, - old, ~ other (polygon)"."""
    said = [f"+ {name}" for name in then if name not in before]
    said += [f"- {name}" for name in before if name not in then]
    for name in then:
        if name in before and before[name] != then[name]:
            keys = [key for key in then[name] if then[name][key] != before[name].get(key)]
            said.append(f"~ {name} ({', '.join(keys)})")
    return shown(", ".join(said))


def _change(before: Mapping[str, Any], then: Mapping[str, Any], key: str) -> str:
    return f"{_value(before.get(key))} -> {_value(then[key])}"


def _value(value: object) -> str:
    """A value as YAML has it; of a hash, its beginning."""
    words = {None: "null", True: "true", False: "false"}
    text = words[value] if value is None or isinstance(value, bool) else shown(value)
    return f"{text[:12]}..." if len(text) == 64 else text


def plan_text(
    plans: Sequence[NodePlan], *, goal: str = "what the folder says", everything: bool = False
) -> str:
    """Plans for people: nodes with the same changes stand together."""
    groups: dict[tuple[str, ...], list[NodePlan]] = defaultdict(list)
    for plan in plans:
        said = [line for step in plan.steps for line in changes(step)]
        said += [f"note: {shown(one)}" for one in plan.warnings]
        said += [f"left alone: {shown(plan.blocked)}"] if plan.blocked else []
        if said:
            groups[tuple(said)].append(plan)
    lines: list[str] = []
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    for texts, members in ordered if everything else ordered[:MOST_GROUPS]:
        names = [plan.node + ("" if plan.online else " (offline)") for plan in members]
        count = "" if len(names) == 1 else f"{len(names)} nodes: "
        lines.append(count + (", ".join(names) if everything else some(names)))
        lines += [f"  {line}" for line in texts]
    if len(ordered) > MOST_GROUPS and not everything:
        rest = sum(len(members) for _, members in ordered[MOST_GROUPS:])
        lines.append(f"{rest} more nodes with other changes; --all prints them, --json FILE has all")
    return "\n".join([*lines, summary(plans, goal)])


def summary(plans: Sequence[NodePlan], goal: str) -> str:
    """One line about plans."""
    differ = sum(bool(plan.steps) for plan in plans)
    offline = sum(not plan.online for plan in plans)
    blocked = sum(plan.blocked is not None for plan in plans)
    same = sum(not plan.steps and plan.blocked is None for plan in plans)
    parts = [f"{differ} of {len(plans)} nodes differ from {goal}", f"{same} do not"]
    parts += [f"{blocked} cannot be brought there"] if blocked else []
    parts += [f"{offline} offline"] if offline else []
    return ", ".join(parts)


def result_text(result: Result) -> str:
    """What a rollout has done, for people."""
    failed = result.failed
    done = [node for node in result.outcomes if node not in failed]
    lines = [f"{len(done)} nodes have what was wanted"]
    for node in failed[:MOST_ROWS]:
        for one in result.outcomes.get(node, []):
            if one.state != "done":
                what = f"{one.step.kind} {one.step.camera}".rstrip()
                lines.append(f"  {node}: {what}: {one.state}: {shown(one.note)}")
        lines += [f"  {node}: {shown(one)}" for one in result.unwell.get(node, [])]
    if failed:
        lines[0] += f", {len(failed)} failed"
    if result.offline:
        lines.append(f"{len(result.offline)} were offline and are as before: {some(result.offline)}")
    if result.untouched:
        lines.append(f"{len(result.untouched)} did not have their turn: {some(result.untouched)}")
    return "\n".join(lines)


def table(nodes: Iterable[Node], drift: Mapping[str, NodePlan] | None, *, everything: bool) -> str:
    """The nodes and what is in force on them; of many nodes only those that are unlike the others."""
    listed = list(nodes)
    rows = [_row(node, drift.get(node.name) if drift is not None else None) for node in listed]
    usual = tuple(_most_common(row[index] for row in rows) for index in (1, 2, 3))
    odd = [
        row
        for row, node in zip(rows, listed, strict=True)
        if row[1:4] != usual or row[5] not in ("", "none") or not _all_well(node)
    ]
    short = len(rows) > MOST_ROWS and not everything
    head = ("node", "state", "version", "model", "cameras", "drift", "definitions (version)")
    wanted = odd[:MOST_ROWS] if short else rows
    columns = [0, 1, 2, 3, 4, *([5] if drift is not None else []), 6]
    widths = [max(len(row[column]) for row in [head, *wanted]) for column in columns]
    lines = [
        "  ".join(row[column].ljust(width) for column, width in zip(columns, widths, strict=True)).rstrip()
        for row in [head, *wanted]
    ]
    online = sum(node.online for node in listed)
    lines.append(f"{len(listed)} nodes, {online} online")
    if short:
        lines.append(
            f"the table has {len(wanted)} of the {len(odd)} nodes that are offline, unlike most, or have a "
            "camera that does not stream; --all prints every node"
        )
    return "\n".join(lines)


def _row(node: Node, plan: NodePlan | None) -> tuple[str, ...]:
    info = node.info
    streaming = sum(node.state_of(camera) == "streaming" for camera in node.listed)
    model = "" if info is None else f"{info.model.name} {(info.model.sha256 or '')[:8]}".strip()
    versions = ", ".join(
        f"{name} {camera.head.version}"
        for name in node.listed
        if (camera := node.cameras.get(name)) and camera.head
    )
    drift = ""
    if plan is not None:
        count = sum(len(changes(step)) for step in plan.steps)
        drift = (
            plan.blocked or (f"{count} changes" if count != 1 else "1 change")
            if plan.steps or plan.blocked
            else "none"
        )
    return (
        node.name,
        "online" if node.online else "offline",
        shown("" if node.status is None else node.status.version),
        shown(model),
        f"{streaming}/{len(node.listed)}" if node.online else f"-/{len(node.listed)}",
        shown(drift),
        versions[:60],
    )


def _all_well(node: Node) -> bool:
    reason = node.status.reason if node.status else None
    return reason is None and all(node.state_of(camera) in ("streaming", "paused") for camera in node.listed)


def _most_common(values: Iterable[str]) -> str:
    counted = Counter(values).most_common(1)
    return counted[0][0] if counted else ""
