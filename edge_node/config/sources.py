"""What a camera's `source` says by itself, before anything is opened."""

from __future__ import annotations

from pathlib import Path

from edge_node.config.camera_settings import CameraSettings
from shared.errors import SourceError
from shared.log import redact

IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}


def is_live(source: int | str) -> bool:
    """Whether a source goes on without us, so that frames not taken are lost."""
    return isinstance(source, int) or source.isdecimal() or source.startswith("/dev/") or "://" in source


def hurries(settings: CameraSettings) -> bool:
    """Whether a source is read as fast as its frames are taken."""
    return settings.pace == "fast" and not is_live(settings.source)


def describe(source: int | str) -> str:
    """A source as it may be shown: without credentials, and of a file only its name."""
    if is_live(source):
        return redact(str(source))
    return Path(str(source)).name


def pictures(folder: Path) -> list[Path]:
    """The pictures of a folder by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGES)


def check_source(camera: str, source: int | str) -> None:
    """Refuse at start-up what can never work.

    Raises:
        SourceError: A file or folder does not exist, or a folder has no pictures.
    """
    if is_live(source):
        return
    path = Path(str(source)).expanduser()
    if not path.exists():
        raise SourceError(f"camera {camera}: source {source!r}: no such file, folder, device or URL")
    if path.is_dir() and not pictures(path):
        raise SourceError(
            f"camera {camera}: source {source!r}: no pictures ({', '.join(sorted(IMAGES))}) in it"
        )
