"""A network's classes: their names, and the ids of those that are wanted."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np
import orjson

from edge_node.assets.names import COCO, COCO_IDS, NO_CLASS
from edge_node.backends.interface import ModelFile
from edge_node.detect.decode.families import Family
from edge_node.detect.decode.raw import Ids
from shared import limits
from shared.errors import ConfigError, ModelError


def class_names(family: Family, model: ModelFile, labels: Sequence[str]) -> tuple[str, ...]:
    """The classes by id; "N/A" for ids that no class has.

    A network that carries no names and has as many classes as COCO is assumed to know COCO's.

    Args:
        family: Of the network.
        model: What the file says, as `observed` where its axes are dynamic.
        labels: The user's names, without any background class; ("coco",) for COCO's classes as networks of
            this family number them; empty for the names in the file.

    Raises:
        ModelError: There are no names, or their number is not that of the classes.
    """
    count = family.class_count(model)
    coco = COCO
    if family.background == "first":
        coco = COCO_IDS[1:]
    elif count == len(COCO_IDS):
        coco = COCO_IDS
    names = coco if tuple(labels) == ("coco",) else tuple(labels) or model.class_names
    if not names and count is None:
        raise ModelError("the model does not name its classes: set model.labels; labels: [coco] means COCO's")
    if not names:
        names = coco if count == len(coco) else tuple(f"class_{index}" for index in range(count or 0))
    if family.background == "last" and count == len(names) + 1:
        names = (*names, NO_CLASS)
    if count is not None and len(names) != count:
        raise ModelError(f"the model has {count} classes, not {len(names)}: correct model.labels")
    return _checked(names)


def _checked(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, which messages must have room for.

    Raises:
        ModelError: There are too many, or one is too long.
    """
    if len(names) > limits.CLASSES:
        raise ModelError(f"the model has {len(names)} classes; messages have room for {limits.CLASSES}")
    for index, name in enumerate(names):
        if len(name) > limits.LABEL_LENGTH:
            raise ModelError(
                f"the name of class {index} has {len(name)} characters, and at most {limits.LABEL_LENGTH} "
                f"are possible ({name[:40]!r}...): set model.labels"
            )
    size = len(orjson.dumps(names))
    if size > limits.CLASSES_BYTES:
        raise ModelError(
            f"the names of the model's classes take {size} bytes, and messages have room for "
            f"{limits.CLASSES_BYTES}: set shorter ones as model.labels"
        )
    return names


def class_ids(wanted: Sequence[str], names: Sequence[str]) -> Ids:
    """Ids of the wanted classes; of all classes if none is named.

    Args:
        wanted: Class names from the configuration.
        names: The network's classes by id.

    Raises:
        ConfigError: The network has no such class.
    """
    for name in wanted:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it knows {', '.join(names[:10])}..."
            raise ConfigError(f"model.classes: the model has no class {name!r}; {hint}")
    chosen = [
        index for index, name in enumerate(names) if name in wanted or (not wanted and name != NO_CLASS)
    ]
    return np.array(chosen, dtype=np.intp)
