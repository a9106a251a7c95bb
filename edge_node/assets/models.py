"""Models by name: the file a name stands for, and where it is kept."""

from __future__ import annotations

import difflib
from pathlib import Path

from edge_node.assets.download import DownloadError, cache_dir, fetch
from edge_node.assets.known import KnownModel
from edge_node.assets.zoo import ZOO
from shared.errors import ModelError
from shared.files import at_home, is_readable

BUILT_IN = Path(__file__).parent / "weights"
"""The folder of the model that comes with Darner."""

AUTO = "auto"
"""The name that leaves the choice to `edge_node/models/auto.py`; where nobody chooses, the built-in model."""
DEFAULT = "nanodet_g"
"""The model that comes with Darner."""

KNOWN = {model.name: model for model in ZOO}
"""The known models by name."""


def find_model(name: str) -> Path:
    """The file of a model, downloaded where necessary.

    Args:
        name: The name of a known model, or the path of a file.

    Raises:
        ModelError: There is neither such a file nor such a model, or the download fails.
    """
    known = KNOWN.get(DEFAULT if name == AUTO else name)
    if known is None:
        path = at_home(name)
        if is_readable(path):
            return path
        raise ModelError(
            f"model {name!r}: no such file to read, and no known model of that name: {names_for(name)}"
        )
    target = path_of(known)
    if known.built_in or (known.download is None and is_readable(target)):
        return target
    if known.download is None:
        raise ModelError(f"model {name!r}: {known.recipe}, and put the file at {target}")
    try:
        return fetch(known.download.url, target, expected(known))
    except DownloadError as error:
        raise ModelError(f"model {name!r}: {error}. Without a connection, put the file at {target}") from None


def names_for(wrong: str) -> str:
    """The names of the known models, for an error about a name that none of them has."""
    near = difflib.get_close_matches(wrong, KNOWN, 1)
    return ", ".join(KNOWN) + (f"; did you mean {near[0]!r}?" if near else "")


def path_of(known: KnownModel) -> Path:
    """Where the file of a known model is, or belongs."""
    if known.built_in:
        return BUILT_IN / f"{DEFAULT}.onnx"
    return cache_dir() / "models" / f"{known.name}.onnx"


def expected(known: KnownModel) -> str | None:
    """The SHA-256 that the file of a known model must have when it is downloaded.

    A file that somebody has put there by hand need not have it.
    """
    if known.download is None or path_of(known).is_file():
        return None
    return known.download.sha256
