"""What a run's folder holds, and what it must not: another run, or what another run would need."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from optimization import files
from optimization.training.trainer.recipe import Recipe
from shared import typed
from shared.errors import ConfigError

MODEL, LAST, BEST, METRICS = "model.onnx", "last.pt", "best.pt", "metrics.csv"
WORK = "work"
"""Folder of what only the trainer needs; it is gone when training is over."""
_ABOUT = "run.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What was asked for, so that `--resume` goes on with the same.

    Attributes:
        model: Name of the network, such as "yolox-nano".
        data: Path of the dataset.
        weights: Path of the weights that it started with; None: random ones.
        digest: The dataset's SHA-256.
        names: Its class names.
        recipe: How it is trained.
    """

    model: str
    data: str
    weights: str | None
    digest: str
    names: tuple[str, ...]
    recipe: Recipe


def begin(out: Path, *, force: bool) -> None:
    """Make a folder ready for a new run.

    Raises:
        ConfigError: It holds a run already, or cannot be written to.
    """
    if (out / _ABOUT).exists() and not force:
        raise ConfigError(
            f"--out {out}: holds a run already; --resume goes on with it, and --force begins a new one"
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot be made ({error.strerror})") from None
    if not os.access(out, os.W_OK):
        raise ConfigError(f"--out {out}: cannot be written to (permission denied)")
    shutil.rmtree(out / WORK, ignore_errors=True)
    for name in (_ABOUT, MODEL, LAST, BEST, METRICS):
        (out / name).unlink(missing_ok=True)


def save(out: Path, run: Run) -> None:
    """Write down what was asked for.

    Raises:
        ConfigError: The disk does not take it.
    """
    files.save_json(out / _ABOUT, asdict(run))


def load(out: Path) -> Run:
    """What was asked for when the run of a folder began.

    Raises:
        ConfigError: There is no run, or its file was changed.
    """
    path = out / _ABOUT
    try:
        document: Any = json.loads(path.read_bytes())
        return typed.convert(document, Run)
    except FileNotFoundError:
        raise ConfigError(f"--resume: {out} holds no run; name the --out of the one to go on with") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"--resume: {path}: is no run's description ({error})") from None


def tidy(out: Path, *, done: bool) -> None:
    """Remove the trainer's folder once all is done, and everything of a run without a complete epoch."""
    shutil.rmtree(out / WORK / "weights", ignore_errors=True)  # a checkpoint in it may be cut short
    if done or not (out / LAST).exists():
        shutil.rmtree(out / WORK, ignore_errors=True)
    if not (done or (out / LAST).exists()):
        (out / _ABOUT).unlink(missing_ok=True)
        (out / METRICS).unlink(missing_ok=True)
