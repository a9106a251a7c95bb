"""Where a model comes from, in its own file; and the way back to the file that it replaced."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path

import onnx

from edge_node import __version__
from edge_node.assets.download import sha256
from edge_node.backends.lineage import BY, DATA, MADE, PARENT
from optimization.graph import graphs
from shared.errors import ConfigError
from shared.files import move_whole


def note(model: onnx.ModelProto, parent: Path | None, data: str, by: str) -> None:
    """Write into a model's metadata where it comes from; other keys stay.

    Args:
        model: The new model.
        parent: The file that it was made of; None: of none.
        data: The training data's SHA-256.
        by: What made it.
    """
    known = {item.key: item.value for item in model.metadata_props}
    made = datetime.now(timezone.utc).isoformat(timespec="seconds")
    about = {DATA: data, MADE: made, BY: f"darner {__version__} {by}"}
    if parent:
        about[PARENT] = sha256(parent)
    onnx.helper.set_model_props(model, known | about)


def previous(path: Path) -> Path:
    """Where the file is kept that a new one has replaced."""
    return path.with_name(f"{path.name}.previous")


def keep(path: Path) -> None:
    """Keep a file that is about to be replaced by another under its name.

    Raises:
        ConfigError: The folder cannot be written to.
    """
    if not path.is_file():
        return
    old = path.with_name(f"{path.name}.old")
    try:
        old.unlink(missing_ok=True)
        os.link(path, old)  # at no moment is there no model
        old.replace(previous(path))
    except OSError as error:
        raise ConfigError(f"{previous(path)}: cannot be written ({error.strerror})") from None


def replace(path: Path, model: onnx.ModelProto) -> None:
    """Write a model; a file that is there is kept as the previous one.

    Whatever goes wrong, the files that are there stay as they are.

    Raises:
        DarnerError: It cannot be written.
    """
    fresh = path.with_name(f"{path.name}.new")
    try:
        graphs.save(model, fresh)
        keep(path)
        move_whole(fresh, path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        fresh.unlink(missing_ok=True)


def roll_back(path: Path) -> None:
    """Swap a model with the one that it replaced; a second time swaps them back.

    Raises:
        ConfigError: There is none, or the folder cannot be written to.
    """
    old, middle = previous(path), path.with_name(f"{path.name}.swapped")
    if not (old.is_file() and path.is_file()):
        raise ConfigError(
            f"--rollback {path}: there is no {path.name} with a {old.name} beside it to go back to"
        )
    try:
        os.link(path, middle)  # at no moment is there no model
        old.replace(path)
        middle.replace(old)
    except OSError as error:
        middle.unlink(missing_ok=True)
        raise ConfigError(f"--rollback {path}: the files cannot be swapped ({error.strerror})") from None
