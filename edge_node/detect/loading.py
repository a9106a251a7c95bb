"""A model's file becomes a network of which everything is known that is needed to run it and read it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edge_node.assets.models import KNOWN
from edge_node.assets.names import Layout
from edge_node.backends.host import PictureInput
from edge_node.backends.interface import Anchors, Array, Backend
from edge_node.backends.preprocess import InputFormat
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.decode import plausible
from edge_node.detect.decode.classes import class_ids, class_names
from edge_node.detect.decode.families import FAMILIES, Family
from edge_node.detect.decode.layouts import recognise
from edge_node.detect.decode.outputs import observed
from edge_node.detect.input_size import nominal_size, with_known_size

OpenBackend = Callable[[ModelSettings, int], Backend]
"""Loads a model into an engine, for a GPU's number."""


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A network in an engine.

    Attributes:
        backend: The engine.
        in_flight: Maximum number of batches that are in the engine and not collected, as it was loaded.
        places: As many as `in_flight`; each batch holds one.
        picture: How the model takes pictures.
        layout: The family's name.
        family: How the outputs are read.
        order: Indices of the engine's outputs in the family's order.
        anchors: Where boxes and scores are in the outputs, for engines that decode.
        input_format: The input for a square picture.
        class_names: By class id.
        wanted: Ids of the classes that are reported.
    """

    backend: Backend
    in_flight: int
    places: threading.Semaphore
    picture: PictureInput
    layout: Layout
    family: Family
    order: list[int]
    anchors: Anchors | None
    input_format: InputFormat
    class_names: tuple[str, ...]
    wanted: npt.NDArray[np.intp]

    def differs_from(self, other: Loaded) -> str | None:
        """In what the two are no exchange for each other; None: nothing that anybody else relies on."""
        if self.class_names != other.class_names:
            return "has other classes"
        if self.layout != other.layout:
            return f"has the layout {self.layout}, not {other.layout}"
        ours, theirs = self.input_format, other.input_format
        if (ours.width, ours.height) != (theirs.width, theirs.height):
            return f"takes {ours.width}x{ours.height}, not {theirs.width}x{theirs.height}"
        same = ours == theirs and self.backend.letterboxes == other.backend.letterboxes
        sides = (self.picture.width, self.picture.height) == (other.picture.width, other.picture.height)
        return None if same and sides else "takes its pictures in another form"


def load(settings: ModelSettings, index: int, open_backend: OpenBackend) -> Loaded:
    """Load a model, and find out what its outputs are.

    Args:
        settings: The model and its thresholds.
        index: Number of the GPU, for engines that run on one.
        open_backend: Loads the model into an engine.

    Raises:
        ModelError: No engine takes the file, or it is no detector.
    """
    backend = open_backend(with_known_size(settings), index)
    try:
        return _examined(settings, backend)
    except BaseException:
        backend.close()
        raise


def _examined(settings: ModelSettings, backend: Backend) -> Loaded:
    known = KNOWN.get(settings.name)
    picture = PictureInput.of(backend.model, settings.name)
    if known and known.size:
        picture = replace(picture, width=known.size, height=known.size)
    width, height = nominal_size(picture, settings.input_size, backend.model.trained_size)
    blank = np.zeros((height, width, 3), np.uint8)
    sample = backend.submit([blank], InputFormat(width, height), None).collect().outputs[0]
    model = observed(backend.model, sample)
    asked = known.layout if known else settings.layout
    layout: Layout = recognise(model, width, height, sample) if asked == "auto" else asked
    family = FAMILIES[layout]
    order = list(family.output_order(model))
    target = family.input_format(width, height)
    named = len(model.class_names) == family.class_count(model)
    _check(backend, target, layout, order, sample, sure=named or settings.layout != "auto")
    coco = known is not None and not model.class_names  # all models of the table know COCO's classes
    names = class_names(family, model, settings.labels or (("coco",) if coco else ()))
    return Loaded(
        backend=backend,
        in_flight=backend.in_flight,
        places=threading.Semaphore(backend.in_flight),
        picture=picture,
        layout=layout,
        family=family,
        order=order,
        anchors=replace(family.anchors, order=tuple(order)) if family.anchors else None,
        input_format=target,
        class_names=names,
        wanted=class_ids(settings.classes, names),
    )


def _check(
    backend: Backend, target: InputFormat, layout: Layout, order: list[int], blank: list[Array], *, sure: bool
) -> None:
    """Make sure that the outputs for a blank picture and for noise are those of a detector."""
    noise = np.random.default_rng(0).integers(0, 256, (target.height, target.width, 3), np.uint8)
    noisy = backend.submit([noise], target, None).collect().outputs[0]
    for outputs in (blank, noisy):
        ordered = [outputs[place] for place in order]
        plausible.check(layout, ordered, (target.width, target.height), sure=sure)
