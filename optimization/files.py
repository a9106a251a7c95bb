"""Files that commands write: never over another file by accident, and never in part."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from edge_node.assets.models import KNOWN
from shared.errors import ConfigError
from shared.files import write_whole
from shared.program import need

_PICTURES = (".png", ".svg", ".pdf")


def claim(path: Path | None, *, force: bool) -> None:
    """Check before the work that a file can be written after it.

    Args:
        path: The file to write later; None when there is none.
        force: Whether the file may exist.

    Raises:
        ConfigError: The file exists and may not, or its folder cannot be made or written to.
    """
    if path is None:
        return
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder; name a file")
    if path.exists() and not force:
        raise ConfigError(f"{path}: exists already; add --force to overwrite it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{path.parent}: cannot be made ({error.strerror})") from None
    if not os.access(path.parent, os.W_OK):
        raise ConfigError(f"{path.parent}: cannot be written to (permission denied)")


def is_folder(name: str) -> bool:
    """Whether a model's name stands for a folder of models: no known model is called so."""
    return name not in KNOWN and Path(name).is_dir()


def models(folder: Path) -> list[Path]:
    """The ONNX files of a folder, sorted by name.

    Raises:
        ConfigError: There is none.
    """
    found = sorted(path for path in folder.iterdir() if path.suffix == ".onnx" and path.is_file())
    if not found:
        raise ConfigError(f"{folder}: holds no .onnx file")
    return found


def below(output: Path | None, name: str) -> Path:
    """The file to write: the one that is named, or one of this name in the folder that is named.

    Args:
        output: What the user named; None stands for this folder.
        name: Name of the file, where the user named none.
    """
    if output is None:
        return Path(name)
    return output / name if output.is_dir() else output


def claim_picture(path: Path | None, option: str, *, force: bool) -> None:
    """Check before the work that a picture can be drawn and written after it.

    Args:
        path: The file to write later; None when there is none.
        option: The option that names it.
        force: Whether the file may exist.

    Raises:
        ConfigError: It cannot, its suffix names no known format, or matplotlib is not installed.
    """
    if path is None:
        return
    if path.suffix.lower() not in _PICTURES:
        raise ConfigError(f"{option} {path}: {path.suffix!r} is not a known format; use .png, .svg or .pdf")
    need("matplotlib", extra="optimize")
    claim(path, force=force)


def save(path: Path, data: bytes | str) -> None:
    """Write a whole file; it appears only once it is complete.

    Args:
        path: The file; it is replaced if it exists.
        data: Its content.

    Raises:
        ConfigError: The file cannot be written: disk full, no permission.
    """
    content = data.encode() if isinstance(data, str) else data
    try:
        write_whole(path, content)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from None


def save_json(path: Path | None, document: dict[str, Any]) -> None:
    """Write a JSON file, if one was asked for.

    Raises:
        ConfigError: The file cannot be written.
    """
    if path is not None:
        save(path, json.dumps(document, indent=2) + "\n")
