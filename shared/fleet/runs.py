"""Runs: what a rollout was about to do, and what became of it, in a file that survives its end.

A line is on disk before a node is asked, and another one afterwards. So the file of a run that was killed
says which changes may have been made. It holds no addresses of cameras and no passwords.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import msgspec
import orjson

from shared import typed
from shared.errors import ConfigError, OutputError
from shared.files import PRIVATE, open_new, private_folder
from shared.fleet.steps import Kind, Step
from shared.storage.folder import state_folder

State = Literal["done", "failed", "conflict", "unknown"]
"""done: the node answered, and what it retains says so, too. unknown: it may have been done or not."""
_LONGEST = 4_000_000
_END = b'{"complete":'


@dataclass(frozen=True, kw_only=True)
class Head:
    """The first line of a run's file.

    Attributes:
        run: Its name.
        command: What made it.
        folder: The folder of what was wanted.
        broker: Address of the broker, without user and password.
        prefix: First levels of the topics.
        nodes: Patterns of the nodes.
        started: When, in UTC.
        undoes: The run that it puts back.
    """

    run: str
    command: Literal["apply", "rollback"]
    folder: str
    broker: str
    prefix: str
    nodes: tuple[str, ...]
    started: str
    undoes: str | None = None


@dataclass(frozen=True, kw_only=True)
class Line:
    """What was about to be done on a node, or what became of it.

    Attributes:
        node: Identifier of the node.
        kind: Kind of the step.
        camera: Its camera; empty: the node.
        before: What was in force.
        wanted: What should be.
        state: None before the node was asked.
        note: What there is to say about it.
    """

    node: str
    kind: Kind
    camera: str = ""
    before: dict[str, Any] = field(default_factory=dict)
    wanted: dict[str, Any] = field(default_factory=dict)
    state: State | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class End:
    """The last line of a run that was not killed.

    Attributes:
        complete: Whether all of it was done.
    """

    complete: bool


@dataclass(frozen=True)
class Record:
    """A step of a run that may have changed a node.

    Attributes:
        node: Identifier of the node.
        step: What was done; its version is of no use any more.
        state: What became of it; None: the run ended before that was known.
    """

    node: str
    step: Step
    state: State | None


class Journal:
    """The file of a run that goes on. Any thread may write a line, which is on disk when the call returns.

    Args:
        head: Its first line.

    Raises:
        OutputError: The file cannot be made.
    """

    def __init__(self, head: Head) -> None:
        self.run = head.run
        self.path = runs_folder() / f"{head.run}.jsonl"
        self._lock = threading.Lock()
        try:
            private_folder(self.path.parent)
            self._file = open_new(self.path, PRIVATE)
        except OSError as error:
            raise OutputError(
                f"{self.path}: cannot be made ({error.strerror}); nothing was sent. Set DARNER_STATE to a "
                "folder that can be written"
            ) from None
        self._write(asdict(head))

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def begin(self, node: str, step: Step) -> None:
        """Write down what is about to be asked for.

        Raises:
            OutputError: The disk does not take it; the node must not be asked then.
        """
        self._write(
            asdict(
                Line(
                    node=node,
                    kind=step.kind,
                    camera=step.camera,
                    before=dict(step.before),
                    wanted=dict(step.wanted),
                )
            )
        )

    def end(self, node: str, step: Step, state: State, note: str) -> None:
        """Write down what became of it.

        Raises:
            OutputError: The disk does not take it.
        """
        line = Line(node=node, kind=step.kind, camera=step.camera, state=state, note=note)
        self._write(asdict(line))

    def close(self, *, complete: bool) -> None:
        """Write down that the run has ended.

        Raises:
            OutputError: The disk does not take it.
        """
        self._write(asdict(End(complete=complete)))

    def _write(self, line: Mapping[str, Any]) -> None:
        data = orjson.dumps(line) + b"\n"
        with self._lock:
            try:
                while data:
                    data = data[os.write(self._file, data) :]
                os.fsync(self._file)
            except OSError as error:
                raise OutputError(f"{self.path}: cannot be written ({error.strerror})") from None


def new_name() -> str:
    """A name for a run that sorts by time."""
    now_s = time.time()
    begun = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now_s))
    return f"{begun}{int(now_s % 1 * 1000):03}Z-{secrets.token_hex(2)}"


def runs_folder() -> Path:
    """The folder of the files of all runs."""
    return state_folder() / "fleet"


def heads() -> list[Head]:
    """The first lines of all runs that can be read, the newest last."""
    found = []
    for path in sorted(runs_folder().glob("*.jsonl")):
        try:
            with path.open("rb") as file:
                found.append(typed.decode(file.readline(_LONGEST), Head))
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            continue  # somebody else's file, or a run that was killed within its first line
    return found


def find(name: str) -> Head:
    """The run of a name, or the last `apply` of a folder.

    Raises:
        ConfigError: There is none.
    """
    known = heads()
    for head in known:
        if head.run == name:
            return head
    if (file := runs_folder() / f"{name}.jsonl").is_file():
        raise ConfigError(
            f"{file}: cannot be read as a run. Either another user made it, or the run was killed before it "
            "sent anything"
        )
    folder = str(Path(name).resolve())
    undone = {head.undoes for head in known if head.undoes is not None and _is_complete(head.run)}
    of_folder = [head for head in known if head.folder == folder and head.command == "apply"]
    for head in reversed(of_folder):
        if head.run not in undone:
            return head
    why = "every run of that folder has been put back" if of_folder else "neither a run nor a folder of one"
    raise ConfigError(f"{name}: {why}; darner-fleet runs lists the runs in {runs_folder()}")


def records(run: str) -> list[Record]:
    """The steps of a run that have changed nodes, or may have, in the order in which they were begun.

    Raises:
        ConfigError: The file cannot be read.
    """
    path = runs_folder() / f"{run}.jsonl"
    begun: dict[tuple[str, str, str], Line] = {}
    ended: dict[tuple[str, str, str], State] = {}
    try:
        for line in _lines(path):
            key = (line.node, line.kind, line.camera)
            if line.state is None:
                begun[key] = line
            else:
                ended[key] = line.state
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    return [
        Record(line.node, Step(line.kind, line.camera, line.before, line.wanted), ended.get(key))
        for key, line in begun.items()
        if ended.get(key) not in ("failed", "conflict")
    ]


def _is_complete(run: str) -> bool:
    """Whether a run has come to its end, with all of it done."""
    try:
        last = (runs_folder() / f"{run}.jsonl").read_bytes().splitlines()[-1]
        return typed.decode(last, End).complete
    except (OSError, IndexError, msgspec.DecodeError, UnicodeDecodeError):
        return False


def _lines(path: Path) -> Iterator[Line]:
    """The lines behind the first; the last one may be torn, because the run was killed."""
    with path.open("rb") as file:
        file.readline(_LONGEST)
        while data := file.readline(_LONGEST):
            if data.startswith(_END):
                return
            try:
                yield typed.decode(data, Line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                if data.endswith(b"\n"):
                    raise ConfigError(f"{path}: holds a line that no run has written") from None
