"""LibreYOLO's networks, which train themselves, as this wing uses them.

The classes stand here by name because LibreYOLO makes them anew, by name, in the processes of several GPUs.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing may be downloaded: weights are local files

import torch
from libreyolo.models.dfine.model import LibreDFINE
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


class DFINE(LibreDFINE):  # type: ignore[misc]  # LibreYOLO says no types
    """D-FINE, whose trainer changes the pictures' size itself."""

    def train(self, data: str, **options: Any) -> dict[str, Any]:
        """Train; `callbacks` is the `Watch` of this run."""
        options.pop("mixup", None)
        found: dict[str, Any] = super().train(data, **options)
        return found


_CLASSES = {"yolox": YOLOX, "dfine": DFINE}


class _Queries(torch.nn.Module):  # type: ignore[misc]  # PyTorch is not there where types are checked
    """D-FINE as a node reads it: scores before the sigmoid, and boxes in fractions of the picture."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self._network = network

    def forward(self, images: Any) -> tuple[Any, Any]:
        """Logits ``(1, queries, classes)`` and boxes ``(1, queries, 4)``."""
        found = self._network(images)
        return found["pred_logits"], found["pred_boxes"]


@contextmanager
def exportable(network: Any, choice: Choice) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """The network as it is exported, and the names of its outputs if the node knows them by name."""
    if choice.family.name == "dfine":
        yield _Queries(copy.deepcopy(network).deploy()).eval(), ("logits", "pred_boxes")
        return
    network.eval()
    network.head.export = True
    try:
        yield network, ()
    finally:
        network.head.export = False


def fresh(choice: Choice, classes: int) -> Any:
    """A network with random weights, on the processor."""
    model = build(choice, classes)
    if choice.family.name == "yolox":
        model.model.head.initialize_biases(0.01)
    return model


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
