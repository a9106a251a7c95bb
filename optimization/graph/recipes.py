"""How torchvision's detectors become networks that can be exported: one picture in, three tensors out."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torchvision
from torchvision.models import detection

from edge_node.assets.names import COCO_IDS
from optimization.graph import graphs
from shared.errors import ConfigError, ModelError

PREFIX = "torchvision:"


class OnePicture(torch.nn.Module):  # type: ignore[misc]  # untyped
    """A torchvision detector as a function of one picture, f32 ``(1, 3, H, W)``, RGB from 0 to 1.

    Args:
        network: The detector.
        names: Its outputs, in the order by which a node tells its family.
        labels: Class names, without the background.
    """

    def __init__(self, network: Any, names: Sequence[str], labels: Sequence[str]) -> None:
        super().__init__()
        self.network, self.names, self.labels = network, tuple(names), tuple(labels)

    def forward(self, picture: Any) -> tuple[Any, ...]:
        """Boxes ``(N, 4)`` in pixels, and labels and scores ``(N,)``."""
        found = self.network([picture[0]])[0]
        return tuple(found[name] for name in self.names)


def make(name: str, weights: str, labels: Sequence[str], size: tuple[int, int]) -> OnePicture:
    """Build one of torchvision's detectors.

    Args:
        name: Such as ``fasterrcnn_resnet50_fpn_v2``.
        weights: "default" (those that torchvision offers, which it downloads), "none" (random ones, to try
            things out), or the path of a checkpoint: a file of the network's state.
        labels: Class names, without the background; empty means COCO's.
        size: Height and width of the input, at which the network computes.

    Raises:
        ConfigError: There is no such detector.
        ModelError: The weights cannot be had, or do not fit.
    """
    known = [
        one
        for one in torchvision.models.list_models(module=detection)
        if "mask" not in one and "key" not in one
    ]
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"
        raise ConfigError(f"{PREFIX}{name}: torchvision has no such detector of boxes; {hint}")
    named = tuple(labels) or COCO_IDS[1:]
    options: dict[str, Any] = {"weights": "DEFAULT" if weights == "default" else None}
    if weights != "default":
        options |= {"weights_backbone": None, "num_classes": len(named) + 1}
    is_ssd = name.startswith("ssd")
    if not is_ssd:  # an SSD has a size of its own; the others would scale the picture to theirs once more
        options |= {"min_size": min(size), "max_size": max(size)}
    try:
        network = getattr(detection, name)(**options)
        if weights not in ("default", "none"):
            network.load_state_dict(torch.load(Path(weights), map_location="cpu", weights_only=True))
    except Exception as error:  # noqa: BLE001 - downloads, files and shapes fail in their own ways
        raise ModelError(f"{PREFIX}{name}: --weights {weights}: {graphs.reason(error)}") from None
    order = ("boxes", "scores", "labels") if is_ssd else ("boxes", "labels", "scores")
    made = OnePicture(network, order, named)
    made.eval()
    return made
