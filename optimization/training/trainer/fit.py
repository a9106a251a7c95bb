"""The steps of a run: weights to start with, LibreYOLO's training, and the export of what came out."""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from edge_node.machine.hardware import usable_cores
from optimization.training.trainer import exporting, material, networks, weights
from optimization.training.trainer.families import Choice
from optimization.training.trainer.material import Material
from optimization.training.trainer.run import BEST, LAST, MODEL, WORK, Run
from optimization.training.trainer.watch import Watch, epochs_done, read_metrics
from shared.errors import ConfigError, DarnerError, ModelError, OutputError, first_line

START = "start.onnx"
"""What the weights computed before training, in the trainer's folder; only where there were weights."""
_START = "start.pt"
_DATA = "data"
_SHOWN = 32
"""Pictures that batch normalisation is rebuilt on."""
_MOST_WORKERS = 8
_NMS = 0.65
"""The overlap from which the trainer takes two boxes for one, when it judges an epoch."""


def begin(wanted: Run, choice: Choice, found: Material, out: Path) -> None:
    """Lay out the dataset, and make the checkpoint that training starts from.

    Raises:
        DarnerError: The weights do not fit, or the disk does not take it.
    """
    work = out / WORK
    work.mkdir(exist_ok=True)
    material.lay_out(found, work / _DATA)
    if (out / LAST).exists():
        return
    torch.manual_seed(wanted.recipe.seed)
    side = wanted.recipe.sized(choice)
    model = networks.fresh(choice, len(wanted.names))
    if wanted.weights:
        _take_over(model.model, wanted, choice, found)
        exporting.export(model.model, choice, work / START, side=side, names=wanted.names, shown=None)
    networks.save(model, choice, wanted.names, side, work / _START)


def _take_over(network: Any, wanted: Run, choice: Choice, found: Material) -> None:
    path = Path(str(wanted.weights))
    if path.suffix == ".onnx" and not choice.family.layered:
        raise ConfigError(
            f"--weights {path}: {choice.name} starts from a checkpoint (.pt) or none, not from ONNX"
        )
    if path.suffix == ".onnx":
        names, _ = weights.read_names(path)
        whole = networks.build(choice, len(names)).model
        shown = material.sample(found.pictures("train"), _SHOWN)
        weights.of_onnx(whole, choice, path, shown)
        state = whole.state_dict()
    else:
        state, names = weights.of_checkpoint(path)
    same = weights.carry_over(state, names, network, wanted.names)
    print(f"{path}: weights taken over; it knows {', '.join(same) or 'none'} of the classes")


def learn(wanted: Run, choice: Choice, found: Material, out: Path, device: str, workers: int | None) -> None:
    """Train until the last epoch, from the last checkpoint if there is one.

    Raises:
        DarnerError: Training failed; the checkpoints of complete epochs are kept.
    """
    recipe = wanted.recipe
    going_on = (out / LAST).exists()
    start = out / LAST if going_on else out / WORK / _START
    if going_on and weights.epochs_of(start) >= recipe.epochs:
        return
    watch = Watch(
        out,
        pictures=len(found.pictures("train")),
        epochs=recipe.epochs,
        seed=recipe.seed,
        erase=recipe.erase,
        scales=recipe.scales,
        stride=choice.family.stride,
        rate=recipe.rated(choice, knows=bool(wanted.weights)),
    )
    model = networks.build(choice, len(wanted.names), str(start))
    shared = _shared(wanted, choice, found, device, workers)
    data = str((out / WORK / _DATA / "data.yaml").absolute())
    with (
        contextlib.redirect_stdout(io.StringIO()),  # pycocotools prints tables
        warnings.catch_warnings(),
        _finite(model, watch),
    ):
        warnings.simplefilter("ignore")
        if wanted.weights and not going_on:
            first = device if device.startswith("c") else f"cuda:{device.partition(',')[0]}"
            place = {"project": str((out / WORK).absolute()), "name": "start", "exist_ok": True}
            watch.begin(model.val(data, iou=_NMS, verbose=False, **shared | place | {"device": first}))
        resumed = str(start) if going_on else False
        place = {"project": str(out.absolute()), "name": WORK, "exist_ok": True}
        model.train(
            data, resume=resumed, callbacks=watch, **shared | place | _learning(wanted, choice, device)
        )


def _shared(wanted: Run, choice: Choice, found: Material, device: str, workers: int | None) -> dict[str, Any]:
    """What training and judging have in common."""
    own = min(_MOST_WORKERS, usable_cores() - 1) if device != "cpu" else 0
    return {
        "batch": min(wanted.recipe.batch, len(found.pictures("train"))),
        "imgsz": wanted.recipe.sized(choice),
        "workers": own if workers is None else workers,
        "device": device,
        "faster_coco_eval": False,
    }


def _learning(wanted: Run, choice: Choice, device: str) -> dict[str, Any]:
    """How it learns, in the trainer's words."""
    recipe, family = wanted.recipe, choice.family
    folded = bool(wanted.weights) and str(wanted.weights).endswith(".onnx")
    frozen = recipe.freeze == "trunk" or (recipe.freeze == "auto" and folded)
    return {
        "epochs": recipe.epochs,
        "lr0": recipe.rated(choice, knows=bool(wanted.weights)),
        "seed": recipe.seed,
        "amp": recipe.mixed and device != "cpu",
        "ema": recipe.average,
        "patience": recipe.patience,
        "freeze": family.trunk if frozen else None,
        "warmup_epochs": recipe.warm_up,
        "no_aug_epochs": recipe.plain,
        "mosaic_prob": recipe.mosaic,
        "mixup_prob": recipe.mixup,
        "eval_interval": 1,
        "save_period": 0,
    }


@contextmanager
def _finite(model: Any, watch: Watch) -> Iterator[None]:
    """Say that the loss is no number, where that is what an error inside comes from."""
    try:
        yield
    except RuntimeError:
        if all(bool(torch.isfinite(weight).all()) for weight in model.model.parameters()):
            raise
        raise watch.no_number(math.nan) from None


def finish(wanted: Run, choice: Choice, out: Path) -> float:
    """Export the best checkpoint, and return how far the outputs differ from its own.

    Where no epoch is better than the weights that training began with, these are the best.

    Raises:
        DarnerError: It cannot be exported, or the disk does not take it.
    """
    first, *others = read_metrics(out)
    start = out / WORK / _START
    if first["epoch"] == 0 and start.exists() and all(row["ap"] <= first["ap"] for row in others):
        start.replace(out / BEST)
    network = networks.build(choice, len(wanted.names), str(out / BEST)).model
    return exporting.export(
        network,
        choice,
        out / MODEL,
        side=wanted.recipe.sized(choice),
        names=wanted.names,
        shown=out / WORK / _DATA / "images" / "val",
        parent=Path(wanted.weights) if wanted.weights else None,
        data=wanted.digest,
        by="train",
    )


@contextmanager
def in_words(wanted: Run, out: Path) -> Iterator[None]:
    """Say in one sentence what may go wrong in the trainer and in PyTorch.

    Raises:
        DarnerError: Instead of what was raised inside.
    """
    said: list[str] = []

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    trainer, heard = logging.getLogger("libreyolo"), Heard(logging.ERROR)
    level, handlers, propagate = trainer.level, trainer.handlers, trainer.propagate
    trainer.handlers, trainer.propagate = [heard], False
    try:
        yield
    except DarnerError as error:
        raise type(error)(f"{error}{_kept(out)}") from None
    except KeyboardInterrupt:
        raise OutputError(f"interrupted{_kept(out)}") from None
    except torch.cuda.OutOfMemoryError:
        raise ModelError(
            f"the GPU's memory does not hold {wanted.recipe.batch} pictures at once; a smaller --batch or "
            f"--size does{_kept(out)}"
        ) from None
    except OSError as error:
        raise OutputError(f"{out}: cannot be written to ({error.strerror}){_kept(out)}") from None
    except Exception as error:  # noqa: BLE001 - LibreYOLO and PyTorch raise what they like
        if _is_full(out, error):
            raise OutputError(f"{out}: the disk is full{_kept(out)}") from None
        more = f" ({said[-1]})" if said else ""
        raise ModelError(f"training failed: {first_line(error)}{more}{_kept(out)}") from None
    finally:
        trainer.handlers, trainer.propagate = handlers, propagate
        trainer.setLevel(level)


def _kept(out: Path) -> str:
    done = epochs_done(out) if (out / LAST).exists() else 0
    return (
        f"; {done} epochs are kept, and --resume --out {out} goes on after them"
        if done
        else "; nothing is kept"
    )


def _is_full(out: Path, error: Exception) -> bool:
    """Whether a disk without room is behind an error: PyTorch's own says only that it could not write."""
    if getattr(error, "errno", None) == errno.ENOSPC:
        return True
    try:
        free = os.statvfs(out)
    except OSError:
        return False
    return (
        any(word in str(error) for word in ("write", "inline_container"))
        and free.f_bavail * free.f_frsize < 64_000_000
    )
