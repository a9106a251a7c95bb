"""Changes one node, step by step: asks for each, and waits until what the node retains says so, too."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol

from shared.asking.requests import BadAnswer, Busy, NoAnswer
from shared.errors import ConfigError, MessageError
from shared.fleet.inventory import Inventory, Node, wait_for
from shared.fleet.node_wide import whole_calendar
from shared.fleet.plan import in_force
from shared.fleet.runs import State
from shared.fleet.steps import NodePlan, Step, alike
from shared.wire.messages import CameraEdit, Response

COMMANDS = {
    "cameras": "cameras.set",
    "model": "reload",
    "calendar": "calendar.set",
    "definitions": "zones.set",
    "rules": "rules.set",
    "settings": "set",
}
"""The command for each kind of step."""
ANSWER_S = 12.0
"""How long an answer may take; `reload` answers within 8 s, seconds."""
BUSY_TRIES, BUSY_S = 5, 1.0
"""How often a node that has too many requests already is asked, and how long it is given between, seconds."""
SHOWN_S = 15.0
"""How long what a node retains may take to follow its answer, seconds."""
START_S = 90.0
"""How long a node may take to start again, or to load a model, seconds."""


class Asks(Protocol):
    """Asks a node; see `shared.asking.requests.NodeRequests.ask`."""

    def ask(
        self,
        node: str,
        command: str,
        body: Mapping[str, Any],
        image: bytes | None = None,
        deadline_s: float | None = None,
    ) -> Response:
        """Send a request and return the answer."""


class Journalling(Protocol):
    """Keeps what is done; see `shared.fleet.runs.Journal`."""

    def begin(self, node: str, step: Step) -> None:
        """Keep what is about to be asked for."""

    def end(self, node: str, step: Step, state: State, note: str) -> None:
        """Keep what became of it."""


@dataclass(frozen=True)
class Outcome:
    """What became of a step.

    Attributes:
        node: Identifier of the node.
        step: The step.
        state: What became of it.
        note: Why, or what else there is to say.
    """

    node: str
    step: Step
    state: State
    note: str = ""


class Delivery:
    """Changes nodes; any number of threads may deliver to different nodes.

    Args:
        asks: Asks nodes.
        inventory: What nodes say.
        journal: Keeps what is done.
        replan: Makes the plan of a node anew.
        shown_s: How long what a node retains may take to follow, seconds.
    """

    def __init__(
        self,
        asks: Asks,
        inventory: Inventory,
        journal: Journalling,
        replan: Callable[[Node], NodePlan],
        shown_s: float = SHOWN_S,
    ) -> None:
        self._asks, self._inventory, self._journal, self._replan = asks, inventory, journal, replan
        self._shown_s = shown_s

    def deliver(self, confirmed: NodePlan) -> list[Outcome]:
        """Carry out a node's plan; what comes after a step that failed is left out.

        What somebody has changed since the plan was made is left as it is.

        Raises:
            OutputError: The journal cannot be written.
        """
        node = self._inventory.get(confirmed.node)
        try:
            now = self._replan(node)
        except ConfigError as error:  # what somebody has changed since does not go with what is wanted
            return [Outcome(node.name, step, "failed", str(error)) for step in confirmed.steps]
        if now.blocked is not None:
            return [Outcome(node.name, step, "failed", now.blocked) for step in confirmed.steps]
        outcomes = list(_changed_since(confirmed, now))
        if outcomes:
            return outcomes
        for step in now.steps:
            self._journal.begin(node.name, step)
            state, note = self._carry_out(node, step)
            self._journal.end(node.name, step, state, note)
            outcomes.append(Outcome(node.name, step, state, note))
            if state != "done":
                break
        return outcomes

    def _carry_out(self, node: Node, step: Step) -> tuple[State, str]:
        session, streaming = node.session, [one for one in node.listed if node.state_of(one) == "streaming"]
        answer, trouble = None, ""
        try:
            for _ in range(BUSY_TRIES):
                answer = self._asks.ask(node.name, COMMANDS[step.kind], body(node, step), deadline_s=ANSWER_S)
                if answer.code != "busy":
                    break
                time.sleep(BUSY_S)
        except (NoAnswer, BadAnswer) as error:
            trouble = str(error)  # the node may have done it all the same
        except (Busy, MessageError) as error:
            return "failed", str(error)
        if answer is not None and answer.error is not None:
            return "conflict" if answer.code == "conflict" else "failed", answer.error
        result = {} if answer is None else answer.result
        if step.kind == "model":
            return self._model(node, step, result, trouble)
        unseen = self._unseen(node, step)
        if unseen and answer is not None:
            if step.camera and node.state_of(step.camera) != "streaming":
                return "done", f"acknowledged; camera {step.camera} uses it from its next frame on"
            return "unknown", "the node has said yes, but what it retains does not say so"
        if unseen:
            return "unknown", trouble
        if result.get("restarts"):
            return self._started_again(node, session, streaming)
        warnings = result.get("warnings") or []
        return "done", "; ".join(str(one) for one in warnings[:3])

    def _unseen(self, node: Node, step: Step) -> bool:
        """Whether what a node retains does not come to say what is wanted."""
        return not wait_for(lambda: _shows(node, step), self._shown_s)

    def _model(self, node: Node, step: Step, result: Mapping[str, Any], trouble: str) -> tuple[State, str]:
        about = result.get("model")
        said = about if isinstance(about, dict) else {}
        if said.get("state") == "refused":
            return "failed", f"the node refuses its model's new file: {said.get('why')}"
        if said.get("state") == "unchanged" and said.get("sha256") != step.wanted["sha256"]:
            return "failed", (
                "the model's file on the node is still another one: copy the wanted file over it first "
                f"(SHA-256 {step.wanted['sha256'][:12]}...)"
            )
        if wait_for(lambda: _shows(node, step), START_S):
            restart = [str(one) for one in result.get("restart") or []]
            return (
                "done",
                f"its configuration has other changes that need a restart: {', '.join(restart)}"
                * bool(restart),
            )
        return "unknown" if trouble else "failed", trouble or "another file was loaded than the wanted one"

    def _started_again(self, node: Node, session: str, streaming: list[str]) -> tuple[State, str]:
        """Wait until a node that starts again is back with all its cameras."""

        def back() -> bool:
            new = node.online and node.session != session and node.lacks() is None
            return new and all(node.state_of(camera) == "streaming" for camera in streaming)

        if wait_for(back, START_S):
            return "done", "the node has started again"
        missing = [camera for camera in streaming if node.state_of(camera) != "streaming"]
        what = f"without {', '.join(missing[:3])}" if node.online and missing else "not at all"
        return "failed", f"the change is made, but {START_S:.0f} s later the node is back {what}"


def _shows(node: Node, step: Step) -> bool:
    """Whether what a node retains says what a step wants."""
    try:
        now = in_force(node, step)
    except MessageError:
        return False
    return now is not None and alike(now, step.wanted)


def body(node: Node, step: Step) -> dict[str, Any]:
    """The request for a step.

    Raises:
        MessageError: One of its cameras is not there any more.
    """
    if step.kind == "definitions":
        return {"camera": step.camera, "version": step.version, **step.wanted}
    if step.kind == "calendar":
        return {"calendar": whole_calendar(node) | dict(step.wanted), "version": step.version}
    if step.kind == "rules":
        return {"version": step.version, **step.wanted}
    if step.kind == "settings":
        return {"camera": step.camera, **step.wanted}
    if step.kind == "model" or node.saved is None:
        return {}
    cameras = {}
    for name, changes in step.wanted.items():
        entry = node.saved.cameras.get(name)
        if entry is None:
            raise MessageError(f"camera {name} is not there any more")
        # The source as it is shown stands for the one that the node has, with its password.
        cameras[name] = {one.name: getattr(entry, one.name) for one in fields(CameraEdit)} | dict(changes)
    return {"cameras": cameras, "version": step.version}


def _changed_since(confirmed: NodePlan, now: NodePlan) -> Iterator[Outcome]:
    """The steps about what somebody has changed since the plan was shown.

    A node that was offline then has started since, and so has the settings of its configuration again.
    """
    shown = {(step.kind, step.camera): step for step in confirmed.steps}
    for step in now.steps:
        before = shown.get((step.kind, step.camera))
        if step.version is None and not confirmed.online:
            continue
        if before is None:
            yield Outcome(now.node, step, "conflict", "somebody has changed it since the plan was made")
        elif before.version != step.version:
            yield Outcome(
                now.node,
                step,
                "conflict",
                f"somebody has saved version {step.version} since the plan was made for {before.version}",
            )
        elif before.before != step.before:
            yield Outcome(
                now.node, step, "conflict", "somebody has set another value since the plan was made"
            )
