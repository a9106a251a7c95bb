"""What a camera's `source` says by itself, before anything is opened."""

from __future__ import annotations

from pathlib import Path

from edge_node.config.camera_settings import CameraSettings
from shared.errors import SourceError
from shared.secrets.redact import redact_address

IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
"""Extensions of the files that count as pictures of a folder."""


def is_live(source: int | str) -> bool:
    """Whether a source is a webcam or a stream: it does not wait, so frames not read in time are lost."""
    return isinstance(source, int) or source.isdecimal() or source.startswith("/dev/") or "://" in source


def is_read_fast(settings: CameraSettings) -> bool:
    """Whether a source is a file that is read as fast as its frames can be processed (`pace: fast`)."""
    return settings.pace == "fast" and not is_live(settings.source)


def describe(source: int | str) -> str:
    """A source for logs and messages: an address without credentials, or the name of a file."""
    if is_live(source):
        return redact_address(str(source))
    return Path(redact_address(str(source))).name  # it may be an address whose scheme was forgotten


def pictures(folder: Path) -> list[Path]:
    """The pictures in a folder, by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGES)


def check_source(camera: str, source: int | str) -> None:
    """Make sure that a file or folder exists; a live source may appear later.

    Raises:
        SourceError: The file or folder does not exist, or the folder has no pictures.
    """
    if is_live(source):
        return
    path, shown = Path(str(source)).expanduser(), redact_address(str(source))
    if not path.exists():
        raise SourceError(f"camera {camera}: source {shown!r}: no such file, folder, device or URL")
    if path.is_dir() and not pictures(path):
        raise SourceError(
            f"camera {camera}: source {shown!r}: no pictures ({', '.join(sorted(IMAGES))}) in this folder"
        )
