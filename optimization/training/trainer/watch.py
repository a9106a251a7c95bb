"""What happens around the trainer's own loop: seeds, checkpoints, figures, and pictures on their way in."""

from __future__ import annotations

import csv
import io
import math
import os
import random
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from optimization import files
from optimization.training.trainer.run import BEST, LAST, METRICS, WORK
from shared.errors import ModelError


class Watch:
    """The trainer tells it how training goes. It can be sent to other processes.

    Args:
        out: Folder of the run.
        pictures: Number of pictures to learn from.
        epochs: How often.
        seed: What every random choice comes from.
        erase: Chance that a part of a picture is erased, 0..1.
        scales: How far the input's size varies, as a share of it.
        stride: Pixels that the input's sides are a multiple of.
        rate: The learning rate at its highest, for the text of an error.
    """

    def __init__(
        self,
        out: Path,
        *,
        pictures: int,
        epochs: int,
        seed: int,
        erase: float,
        scales: float,
        stride: int,
        rate: float,
    ) -> None:
        self._out, self._pictures, self._epochs, self._seed = out, pictures, epochs, seed
        self._erase, self._scales, self._stride, self._rate = erase, scales, stride, rate
        self._rows: list[dict[str, Any]] = []

    def attach(self, network: torch.nn.Module) -> None:
        """Change a network's pictures on their way in, and look at its loss on the way out."""
        network.register_forward_pre_hook(self._change)
        network.register_forward_hook(self._check)

    def begin(self, measured: Mapping[str, float]) -> None:
        """Write what the weights are worth before the first epoch, as epoch 0."""
        files.save(self._out / METRICS, _table([{"epoch": 0, **_scores(measured)}]))

    def on_train_start(self, event: Any) -> None:
        """Begin, or go on with an earlier run's rows."""
        done = event.start_epoch - 1  # the trainer counts from 1
        self._rows = [row for row in read_metrics(self._out) if int(row["epoch"]) <= done]
        self._sow(done)

    def on_train_epoch_end(self, event: Any) -> None:
        """Write what the epoch gave: figures first, then the checkpoints, each of them whole or not at all.

        Raises:
            ModelError: The loss is no finite number, or the epoch could not be judged.
            ConfigError: The disk takes no more.
        """
        if not math.isfinite(event.train_loss):
            raise self.no_number(event.train_loss, event.epoch)
        if not event.validated:
            raise ModelError(f"epoch {event.epoch} could not be judged on the pictures of val")
        measured = event.val_metrics
        row: dict[str, Any] = {"epoch": event.epoch, "loss": event.train_loss}
        row |= {f"loss_{name}": value for name, value in event.train_loss_items.items()}
        row |= _scores(measured)
        row |= {"rate": max(event.lr.values()), "seconds": event.epoch_seconds}
        row["pictures_s"] = self._pictures / max(event.epoch_seconds, 1e-9)
        best = all(row["ap"] > earlier["ap"] for earlier in self._rows)  # epoch 0 is among them
        self._rows.append(row)
        files.save(self._out / METRICS, _table(self._rows))
        made = self._out / WORK / "weights"
        if event.is_best:
            _promote(made / BEST, self._out / BEST)
        _promote(made / LAST, self._out / LAST)
        tqdm.write(self._told(row, best=best), file=sys.stderr)
        self._sow(event.epoch)

    def _told(self, row: dict[str, Any], *, best: bool) -> str:
        return (
            f"epoch {row['epoch']} of {self._epochs}: loss {row['loss']:.3f}, AP {row['ap']:.1f}, "
            f"AP50 {row['ap50']:.1f}{' (the best so far)' if best else ''}, {row['seconds']:.1f} s, "
            f"{row['pictures_s']:.1f} pictures/s"
        )

    def _sow(self, epoch: int) -> None:
        """Seed all chance by the epoch's number, so that a resumed run goes on as the first would have."""
        seed = (self._seed * 100_003 + epoch) % 2**32
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - the trainer draws from the global generator
        torch.manual_seed(seed)

    def no_number(self, loss: float, epoch: int | None = None) -> ModelError:
        """The error about a loss that is no finite number."""
        when = f" in epoch {epoch}" if epoch else ""
        return ModelError(f"the loss became {loss}{when}: try a lower learning rate than {self._rate:g}")

    def _change(self, network: torch.nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Erase parts of pictures and vary the size of all, while the network learns."""
        if not network.training or len(given) < 2:
            return None
        images, targets = given
        if self._erase:
            images = _erased(images, self._erase)
        if self._scales:
            images, targets = _scaled(images, targets, self._scales, self._stride)
        return images, targets

    def _check(self, network: torch.nn.Module, _: Any, output: Any) -> None:
        if network.training and isinstance(output, dict):
            loss = float(output["total_loss"].detach())
            if not math.isfinite(loss):
                raise self.no_number(loss)


def read_metrics(out: Path) -> list[dict[str, Any]]:
    """The rows of a run's `metrics.csv`; none where there is none."""
    path = out / METRICS
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return [
            {name: float(value) if value else None for name, value in row.items()}
            for row in csv.DictReader(file)
        ]


def epochs_done(out: Path) -> int:
    """The last epoch of a run's `metrics.csv`; 0 where there is none."""
    return max((int(row["epoch"]) for row in read_metrics(out)), default=0)


def _scores(measured: Mapping[str, float]) -> dict[str, float]:
    return {"ap": 100 * measured["metrics/mAP50-95"], "ap50": 100 * measured["metrics/mAP50"]}


def _table(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO(newline="")
    names = list(dict.fromkeys(name for row in reversed(rows) for name in row))
    table = csv.DictWriter(text, names, lineterminator="\n")
    table.writeheader()
    table.writerows({name: _shown(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _shown(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


def _promote(made: Path, kept: Path) -> None:
    """Move a checkpoint to its name once it is complete and on the disk."""
    with made.open("rb") as file:
        os.fsync(file.fileno())
    made.replace(kept)


def _erased(images: Any, chance: float) -> Any:
    """Grey rectangles over parts of pictures. Source: Zhong et al., "Random Erasing Data Augmentation"."""
    images = images.clone()
    count, _, height, width = images.shape
    for place in range(count):
        if float(torch.rand(())) >= chance:
            continue
        area, aspect, x, y = torch.rand(4).tolist()
        area, aspect = (0.02 + 0.18 * area) * height * width, 0.3 * (1 / 0.3**2) ** aspect
        high, wide = min(int((area * aspect) ** 0.5), height), min(int((area / aspect) ** 0.5), width)
        top, left = int(y * (height - high)), int(x * (width - wide))
        images[place, :, top : top + high, left : left + wide] = images[place].mean()
    return images


def _scaled(images: Any, targets: Any, share: float, stride: int) -> tuple[Any, Any]:
    """All pictures of a step in another size. Targets are class, centre, width and height in pixels."""
    height, width = images.shape[2:]
    steps = round(share * height / stride)
    new = height + stride * int(torch.randint(-steps, steps + 1, ()))
    if new == height:
        return images, targets
    factor = new / height
    size = (new, round(width * factor / stride) * stride)
    images = torch.nn.functional.interpolate(images, size=size, mode="bilinear", align_corners=False)
    scale = targets.new_tensor([1.0, size[1] / width, factor, size[1] / width, factor])
    return images, targets * scale
