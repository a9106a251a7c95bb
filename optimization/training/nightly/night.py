"""One night's work: from the pictures that a node has collected to a better model in its place, or none."""

from __future__ import annotations

import glob
import hashlib
import shutil
import threading
import time as clocks
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from edge_node.assets.download import sha256
from edge_node.assets.models import DEFAULT, find_model
from edge_node.backends.onnx.file import read_model
from optimization.training import lineage
from optimization.training.nightly import gather, record, work
from optimization.training.nightly.record import Model, Night, Record
from optimization.training.nightly.work import Bounds, Outcome
from shared.errors import DarnerError
from shared.files import move_whole

Train = Callable[[Sequence[str], Path, Bounds, threading.Event], Outcome]
"""Runs `darner-optimize adapt` with these options; see `work.adapt`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What is adapted to what.

    Attributes:
        collected: The folder in which a node collects one camera's pictures.
        model: What the first night begins with, a file or "built-in"; later ones begin with `out`.
        out: The file that the node runs.
        teachers: Who says what is in pictures that nobody has labelled; empty: only labels count.
        least: From how many labelled pictures with objects on the labels are used.
        new: How many new pictures there must be.
        options: Further options of `darner-optimize adapt`.
        bounds: What the training may take.
        ask: Asks the node to load the file, and gives its answer's state and a sentence; None: it is not
            asked.
    """

    collected: Path
    model: str
    out: Path
    teachers: Sequence[str] = ()
    least: int = 50
    new: int = 20
    options: Sequence[str] = ()
    bounds: Bounds = field(default_factory=Bounds)
    ask: Callable[[], tuple[str, str]] | None = None


def night(
    watched: Watched,
    stop: threading.Event,
    *,
    clock: Callable[[], float] = clocks.time,
    train: Train = work.adapt,
) -> Night:
    """One night's work. Whatever goes wrong is its verdict, and the next night begins anew.

    Args:
        watched: What to adapt.
        stop: Ends it.
        clock: Seconds since 1970.
        train: Runs the training with options of `darner-optimize adapt`.
    """
    began, start = datetime.fromtimestamp(clock()).astimezone(), clocks.monotonic()
    at = began.isoformat(timespec="seconds")
    kept = Record()
    try:
        kept, damaged = record.read(watched.out)
        kept = _noticed(kept, watched.out)
        kept, missed = _asked_again(watched, kept)
        kept, found = _work(watched, kept, at, stop, train)
        found = replace(found, node=found.node or missed)
        if damaged:
            found = replace(found, why=f"{found.why}; {damaged}")
    except DarnerError as error:
        found = Night(at=at, verdict="failed", why=str(error))
    except OSError as error:
        found = Night(at=at, verdict="failed", why=f"{error.filename or watched.out}: {error.strerror}")
    found = replace(found, seconds=round(clocks.monotonic() - start, 1))
    try:
        record.save(watched.out, kept.add(found))
    except DarnerError as error:
        found = replace(found, why=f"{found.why}; and this could not be remembered: {error}")
    return found


def roll_back(out: Path) -> None:
    """Swap a model with the one that it replaced, and see to it that no night brings it back.

    Raises:
        ConfigError: There is none, or the folder cannot be written to.
    """
    lineage.roll_back(out)
    if record.place(out).exists():
        kept = _noticed(record.read(out)[0], out)
        record.save(out, kept.accept(sha256(out)))


def _noticed(kept: Record, out: Path) -> Record:
    """The record, once it is seen whether somebody has gone back from the model that was written last."""
    before = lineage.previous(out)
    if kept.last is None or not (out.is_file() and before.is_file()):
        return kept
    gone = sha256(out) != kept.last.sha256 and sha256(before) == kept.last.sha256
    return kept.refuse(kept.last) if gone else kept


def _work(
    watched: Watched, kept: Record, at: str, stop: threading.Event, train: Train
) -> tuple[Record, Night]:
    out, least = watched.out, watched.least
    found = gather.gather(watched.collected, kept.seen, least)
    source = "labels" if found.labels is not None else ",".join(watched.teachers)
    said = Night(
        at=at, verdict="nothing new", why="", pictures=len(found.pictures), new=found.new, source=source
    )
    if not source:
        why = f"fewer than {least} labelled pictures have objects (--least), and no --teacher is named"
        return kept, replace(said, why=why)
    if found.new < watched.new:
        return kept, replace(said, why=f"{found.new} pictures are new; {watched.new} are needed (--new)")
    folder = out.with_name(f".{out.name}.night")
    _tidy(out, folder)
    try:
        folder.mkdir(mode=0o700)
        parent = out if out.is_file() else first_model(watched.model)
        before = sha256(parent)
        options = _options(watched, found, parent, folder)
        outcome = train(options, folder / "result.json", watched.bounds, stop)
        if outcome.document is None:
            return kept, replace(said, verdict="failed", why=outcome.why or "")
        said, kept = _with_figures(said, outcome.document), replace(kept, seen=found.seen)
        new = folder / "new.onnx"
        if not new.is_file():
            return kept, replace(said, verdict="no better", why=str(outcome.document.get("why")))
        now = sha256(out) if out.is_file() else None
        if now != (before if parent == out else None):
            why = f"{out} was changed meanwhile, and is left as it is"
            return kept, replace(said, verdict="failed", why=why)
        return _written(watched, kept, said, new)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _tidy(out: Path, folder: Path) -> None:
    """Delete what a night has left behind that was cut off; the lock says that none goes on."""
    shutil.rmtree(folder, ignore_errors=True)
    for part in out.parent.glob(f".{glob.escape(out.name)}.*.part.*"):
        part.unlink(missing_ok=True)


def first_model(model: str) -> Path:
    """The file that the first night begins with.

    Raises:
        ModelError: There is no such model.
    """
    return find_model(DEFAULT if model == "built-in" else model)


def _options(watched: Watched, found: gather.Gathered, parent: Path, folder: Path) -> list[str]:
    """The options of `darner-optimize adapt`, and the pictures put where they say."""
    pictures, labels = gather.place(found, folder)
    told = ["--labels", str(labels)] if labels else ["--teacher", ",".join(watched.teachers)]
    options = ["--model", str(parent), "--pictures", str(pictures), *told, "--out", str(folder / "new.onnx")]
    return [*options, *watched.options]


def _with_figures(said: Night, document: dict[str, Any]) -> Night:
    verdict = document.get("verdict")
    if not isinstance(verdict, dict):
        return said
    before, after = (verdict.get(name) for name in ("before", "after"))
    return replace(
        said,
        before=round(before, 2) if isinstance(before, float) else None,
        after=round(after, 2) if isinstance(after, float) else None,
    )


def _written(watched: Watched, kept: Record, said: Night, new: Path) -> tuple[Record, Night]:
    """Put the new model in its place, unless somebody has gone back from it before, and tell the node."""
    out = watched.out
    model = Model(sha256=sha256(new), weights=_weights(new))
    if any(one.weights == model.weights for one in kept.refused):
        return kept, replace(
            said, verdict="no better", why="this model was gone back from; it does not come back"
        )
    lineage.keep(out)
    move_whole(new, out)
    figures = f"AP {said.before} -> {said.after}, from {said.pictures} pictures ({said.source})"
    kept = replace(kept, last=model, asked=watched.ask is None)
    said = replace(said, verdict="written", why=f"{out} is the new model: {figures}")
    record.save(out, kept)  # before anybody is asked: a night that is cut off here is remembered
    kept, answer = _ask(watched, kept, model)
    if model in kept.refused:
        said = replace(said, verdict="failed", why=str(answer))
    return kept, replace(said, node=answer)


def _asked_again(watched: Watched, kept: Record) -> tuple[Record, str | None]:
    """Ask the node about the last model, if it gave no answer the night before; what it says now."""
    model = kept.last
    if kept.asked or model is None or not watched.out.is_file() or sha256(watched.out) != model.sha256:
        return kept, None
    return _ask(watched, kept, model)


def _ask(watched: Watched, kept: Record, model: Model) -> tuple[Record, str | None]:
    """Ask the node to load the file at `out`. If it refuses, the earlier file comes back.

    Returns:
        The record, and what the node says in a sentence; None: there is no node to ask.
    """
    if watched.ask is None:
        return kept, None
    try:
        state, answer = watched.ask()
    except DarnerError as error:
        return kept, f"{error}; the next night asks again"
    if state == "refused" and lineage.previous(watched.out).is_file():
        lineage.roll_back(watched.out)
        kept = kept.refuse(model)
        answer = f"{answer}; {watched.out} is the earlier model again"
    return replace(kept, asked=state != "loading"), answer


def _weights(path: Path) -> str:
    """SHA-256 of a model's network, whatever its metadata say."""
    return hashlib.sha256(read_model(path).graph.SerializeToString(deterministic=True)).hexdigest()
