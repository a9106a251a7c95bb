"""A session of ONNX Runtime, and how pictures get into it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnxruntime as ort

from edge_node.backends.host import HostInput, PictureInput, by_picture
from edge_node.backends.interface import Array, Inference, ModelFile
from edge_node.backends.preprocess import InputFormat, Letterbox
from edge_node.pictures import Picture


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A network that is ready to run; any number of threads may, each with an input of its own.

    Attributes:
        session: Has the network in it.
        model: What the model's file says.
        picture: How the session takes pictures.
        folded: Whether it takes their bytes; see `fold.py`.
    """

    session: ort.InferenceSession
    model: ModelFile
    picture: PictureInput
    folded: bool = False

    def new_input(self) -> HostInput:
        """What one thread makes the session's inputs with."""
        return HostInput(self.model, self.picture)

    def infer(self, given: HostInput, images: Sequence[Picture], target: InputFormat) -> Inference:
        """Run the network on pictures."""
        start = time.perf_counter()
        feeds, fits = self._feeds(given, images, target)
        ready = time.perf_counter()
        raw = [np.asarray(output) for output in self.session.run(None, feeds)]
        done = time.perf_counter()
        outputs = by_picture(raw, self.model, len(images))
        return Inference(outputs, fits, (ready - start) * 1e3, (done - ready) * 1e3)

    def _feeds(
        self, given: HostInput, images: Sequence[Picture], target: InputFormat
    ) -> tuple[dict[str, Array], list[Letterbox]]:
        if not self.folded:
            return given(images, target)
        # The network scales and reorders; the tensor holds plain pixels.
        feeds, fits = given(images, replace(target, rgb=False))
        rows = feeds[self.picture.name]
        feeds[self.picture.name] = rows.reshape(len(rows), 1, target.height, -1)
        return feeds, fits
