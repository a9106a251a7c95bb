"""Folders of pictures: for calibration, evaluation and parity checks."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edge_node.pictures import U8
from shared.errors import SourceError

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
"""How the name of a picture ends, in small letters."""


def find(folder: Path, limit: int | None = None) -> list[Path]:
    """Find the pictures of a folder, sorted by name.

    Args:
        folder: The folder; its subfolders are not searched.
        limit: Maximum number of pictures to return, spread evenly over all; None returns all.

    Raises:
        SourceError: The folder does not exist or holds no picture.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder}: no such folder of pictures")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not found:
        raise SourceError(f"{folder}: holds no pictures ({', '.join(sorted(SUFFIXES))})")
    if limit is not None and len(found) > limit:
        chosen = np.linspace(0, len(found) - 1, limit).round().astype(int)
        found = [found[index] for index in chosen]
    return found


def read(path: Path) -> U8:
    """Read a picture.

    Returns:
        u8 ``(H, W, 3)``, BGR.

    Raises:
        SourceError: The file is missing or is not a picture.
    """
    if not path.is_file():
        raise SourceError(f"{path}: no such picture")
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise SourceError(f"{path}: is not a picture that OpenCV can read")
    return np.asarray(image, np.uint8)


def first_frame(video: Path) -> U8:
    """Read the first picture of a video.

    Returns:
        u8 ``(H, W, 3)``, BGR.

    Raises:
        SourceError: The file is missing or is not a video.
    """
    reader = cv2.VideoCapture(str(video))
    try:
        ok, image = reader.read()
    finally:
        reader.release()
    if not ok:
        raise SourceError(f"{video}: is not a video that OpenCV can read")
    return np.asarray(image, np.uint8)
