"""What each command of `darner-fleet` does."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import orjson

from shared.errors import BrokerError, ConfigError, OutputError
from shared.files import write_whole
from shared.fleet import report, runs
from shared.fleet.connect import Fleet, connect
from shared.fleet.deliver import Delivery
from shared.fleet.export import export
from shared.fleet.inventory import Node
from shared.fleet.plan import plan_node
from shared.fleet.rollout import Pace, Result, Rollout, amount
from shared.fleet.steps import NodePlan, as_builtins
from shared.fleet.undo import Undo
from shared.fleet.wanted.folder import Folder
from shared.fleet.wanted.globs import check_globs
from shared.mqtt.command_line import broker_settings
from shared.program import INTERRUPTED, nobody_reads
from shared.signals import stop_on_signals

FAILED, OFFLINE, DIFFERS = 1, 3, 4
"""Exit codes; see `__main__.py`."""


def _globs(options: argparse.Namespace) -> tuple[str, ...]:
    return check_globs(tuple(options.nodes), "--nodes") or ("*",)


def status(options: argparse.Namespace) -> int:
    """Print what runs where; with a folder, also what differs from it."""
    folder = None if options.folder is None else Folder(options.folder)
    with connect(broker_settings(options), _globs(options)) as fleet:
        nodes = _known(fleet)
        plans = None if folder is None else {one.node: one for one in _plans(fleet, folder, options)}
        print(report.table(nodes.values(), plans, everything=options.all))
        _say_broken(fleet)
        if options.json:
            _write(
                options.json, {"nodes": {name: _said(node) for name, node in nodes.items()}} | _drift(plans)
            )
    return DIFFERS if plans and any(one.steps for one in plans.values()) else 0


def plan(options: argparse.Namespace) -> int:
    """Print what would change."""
    folder = Folder(options.folder)
    with connect(broker_settings(options), _globs(options)) as fleet:
        plans = _plans(fleet, folder, options)
        print(report.plan_text(plans, everything=options.all))
        _say_broken(fleet)
        if options.json:
            _write(options.json, {"nodes": [as_builtins(one) for one in plans]})
    if any(one.steps for one in plans):
        return DIFFERS
    return FAILED if any(one.blocked for one in plans if one.online) else 0


def apply(options: argparse.Namespace) -> int:
    """Bring the nodes to what the folder says."""
    folder, pace = Folder(options.folder), _pace(options)
    with connect(broker_settings(options), _globs(options), metrics=True) as fleet:
        plans = _plans(fleet, folder, options)
        print(report.plan_text(plans, everything=options.all))
        _say_broken(fleet)
        head = _head(options, fleet, "apply", str(folder.path.resolve()))
        return _go(options, pace, fleet, plans, head, lambda node: plan_node(node, folder))


def rollback(options: argparse.Namespace) -> int:
    """Put back what a run has changed."""
    of = runs.find(options.run)
    undo, pace = Undo(runs.records(of.run)), _pace(options)
    if of.prefix != broker_settings(options).prefix:
        raise ConfigError(f"run {of.run} was below the prefix {of.prefix!r}; give --prefix {of.prefix}")
    with connect(broker_settings(options), _globs(options), metrics=True) as fleet:
        known = fleet.inventory.nodes
        plans = [undo.plan(node) for name, node in known.items() if name in undo.nodes]
        if lost := sorted(undo.nodes - known.keys()):
            print(f"not known to this broker, or left out by --nodes: {report.some(lost)}")
        print(report.plan_text(plans, goal="what they had", everything=options.all))
        head = _head(options, fleet, "rollback", of.folder, undoes=of.run)
        code = _go(options, pace, fleet, plans, head, undo.plan)
        return FAILED if code == 0 and any(one.warnings for one in plans) else code


def export_folder(options: argparse.Namespace) -> int:
    """Write what is in force into a folder."""
    with connect(broker_settings(options), _globs(options)) as fleet:
        written = export(_known(fleet).values(), options.folder)
    print(f"{len(written)} files in {options.folder}")
    return 0


def list_runs(options: argparse.Namespace) -> int:  # noqa: ARG001 - as every command
    """Print the runs of this machine, the newest last."""
    for head in runs.heads():
        what = f"puts back {head.undoes}" if head.undoes else head.folder
        print(f"{head.run}  {head.command:<8}  {head.broker}  {report.shown(what)}")
    return 0


def _known(fleet: Fleet) -> Mapping[str, Node]:
    nodes = fleet.inventory.nodes
    if not nodes:
        raise BrokerError(
            "no node is known to the broker; is --nodes right? Is --prefix theirs? May this user read it?"
        )
    return nodes


def _plans(fleet: Fleet, folder: Folder, options: argparse.Namespace) -> list[NodePlan]:
    nodes = _known(fleet)
    listed = {name: node.listed for name, node in nodes.items()}
    folder.refuse_strangers(listed, everybody=_globs(options) == ("*",))
    return [plan_node(node, folder) for node in nodes.values()]


def _pace(options: argparse.Namespace) -> Callable[[int], Pace]:
    """The pace for a number of nodes.

    Raises:
        ConfigError: An option makes no sense.
    """
    canary, batch = amount(options.canary, "--canary"), amount(options.batch, "--batch")
    for name in ("pause", "wait", "max_failures"):
        value = getattr(options, name)
        if not 0 <= value < 10**6:
            raise ConfigError(
                f"--{name.replace('_', '-')} {value}: expected 0 or more, and less than a million"
            )
    return lambda nodes: Pace(
        canary=canary(nodes),
        batch=batch(nodes),
        pause_s=options.pause,
        max_failures=options.max_failures,
        wait_s=options.wait,
    )


def _go(
    options: argparse.Namespace,
    pace: Callable[[int], Pace],
    fleet: Fleet,
    plans: list[NodePlan],
    head: runs.Head,
    replan: Callable[[Node], NodePlan],
) -> int:
    """Ask, change the nodes, and say what has come of it."""
    todo = [one for one in plans if one.steps and one.blocked is None]
    blocked = [one for one in plans if one.blocked is not None and one.online]
    if not todo:
        print("nothing to do" if not blocked else "nothing can be done")
        return FAILED if blocked else 0
    if not options.yes:
        _ask(len(todo))
    todo.sort(key=lambda one: not one.online)  # no canary is one that is offline
    with stop_on_signals() as stop, runs.Journal(head) as journal:
        _say(f"run {head.run}; to put it back: darner-fleet rollback {head.run}")
        delivery = Delivery(fleet.requests, fleet.inventory, journal, replan)
        result = Rollout(delivery, fleet.inventory, pace(len(todo)), stop.is_set, _say).run(todo)
        code = _code(result, bool(blocked))
        journal.close(complete=code == 0)
    print(report.result_text(result))
    if options.json:
        _write(options.json, _as_builtins(head, result))
    return code


def _code(result: Result, blocked: bool) -> int:
    if result.ended == "stopped":
        return INTERRUPTED
    if result.failed or blocked:
        return FAILED
    return OFFLINE if result.offline else 0


def _ask(nodes: int) -> None:
    if not sys.stdin.isatty():
        raise ConfigError("nobody can be asked whether to go on; give --yes")
    try:
        said = input(f"change {nodes} nodes? [y/N] ")
    except EOFError:
        said = ""
    if said.strip().lower() not in ("y", "yes"):
        raise ConfigError("nothing was sent")


def _say(text: str) -> None:
    try:
        print(report.shown(text), flush=True)
    except BrokenPipeError:  # a rollout goes on even if nobody reads any more
        nobody_reads()


def _say_broken(fleet: Fleet) -> None:
    if fleet.inventory.broken:
        count = fleet.inventory.broken
        print(f"{count} messages break the contract and were left out; darner-conformance says how")


def _head(
    options: argparse.Namespace,
    fleet: Fleet,
    command: Literal["apply", "rollback"],
    folder: str,
    undoes: str | None = None,
) -> runs.Head:
    return runs.Head(
        run=runs.new_name(),
        command=command,
        folder=folder,
        broker=fleet.settings.shown,
        prefix=fleet.settings.prefix,
        nodes=_globs(options),
        started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        undoes=undoes,
    )


def _said(node: Node) -> dict[str, Any]:
    """What is in force on a node, for programs."""
    info = node.info
    return {
        "online": node.online,
        "reason": node.status.reason if node.status else None,
        "version": node.status.version if node.status else None,
        "model": None if info is None else {"name": info.model.name, "sha256": info.model.sha256},
        "calendar_version": node.calendar.version if node.calendar else None,
        "rules_version": node.rules.version if node.rules else None,
        "cameras": {
            name: {
                "status": node.state_of(name),
                "definitions_version": camera.head.version if camera.head else None,
            }
            for name in node.listed
            if (camera := node.cameras.get(name)) is not None
        },
    }


def _drift(plans: dict[str, NodePlan] | None) -> dict[str, Any]:
    return {} if plans is None else {"drift": [as_builtins(one) for one in plans.values() if one.steps]}


def _as_builtins(head: runs.Head, result: Result) -> dict[str, Any]:
    return {
        "run": head.run,
        "ended": result.ended,
        "nodes": {
            node: [
                {"kind": one.step.kind, "camera": one.step.camera, "state": one.state, "note": one.note}
                for one in outcomes
            ]
            for node, outcomes in result.outcomes.items()
        },
        "unwell": result.unwell,
        "offline": result.offline,
        "untouched": result.untouched,
    }


def _write(path: Path, content: object) -> None:
    try:
        write_whole(path, orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    except OSError as error:
        raise OutputError(f"--json {path}: cannot be written ({error.strerror})") from None


COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "status": status,
    "plan": plan,
    "apply": apply,
    "rollback": rollback,
    "runs": list_runs,
    "export": export_folder,
}
"""By the name that users type; each returns the exit code of the process."""
