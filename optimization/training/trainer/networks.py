"""LibreYOLO's networks, which train themselves, as this wing uses them.

The classes stand here by name because LibreYOLO makes them anew, by name, in the processes of several GPUs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing may be downloaded: weights are local files

import torch
from libreyolo.models.yolox.model import LibreYOLOX
from libreyolo.utils.serialization import wrap_libreyolo_checkpoint

from optimization.training.trainer.families import Choice


class YOLOX(LibreYOLOX):  # type: ignore[misc]  # LibreYOLO says no types
    """YOLOX, whose pictures are changed on the way into the network."""

    def train(self, data: str, **options: Any) -> dict[str, Any]:
        """Train; `callbacks` is the `Watch` of this run."""
        options["callbacks"].attach(self.model)
        options.pop("mixup", None)  # resuming adds it for classifiers; here it would contradict mixup_prob
        found: dict[str, Any] = super().train(data, **options)
        return found


_CLASSES = {"yolox": YOLOX}


def build(choice: Choice, classes: int, weights: str | None = None) -> Any:
    """A network, on the processor.

    Args:
        choice: Which.
        classes: How many it knows.
        weights: A checkpoint that LibreYOLO wrote; None: random weights.
    """
    return _CLASSES[choice.family.name](weights, size=choice.size, nb_classes=classes, device="cpu")


def save(model: Any, choice: Choice, names: Sequence[str], side: int, path: Path) -> None:
    """Write a network's weights as a checkpoint that `build` takes.

    Args:
        model: What `build` returned.
        choice: What it is.
        names: Of its classes.
        side: Width and height of its input, pixels.
        path: The file.
    """
    checkpoint = wrap_libreyolo_checkpoint(
        model.model.state_dict(),
        model_family=choice.family.name,
        size=choice.size,
        task="detect",
        nc=len(names),
        names=list(names),
        imgsz=side,
    )
    torch.save(checkpoint, path)
