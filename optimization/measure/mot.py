"""MOTChallenge sequences: read and write their files.

Format: Leal-Taixé et al., "MOTChallenge 2015: Towards a Benchmark for Multi-Target Tracking".
"""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_node.frames import I64, Detections
from shared.errors import SourceError
from shared.geometry import F64, Floats

Boxes = tuple[I64, F64]
"""Identities ``(N,)`` and boxes ``(N, 4)`` as corners in pixels, of one frame."""

_MIN_COLUMNS = 7
_LOGIT_SCALE = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """One MOTChallenge sequence, frame by frame.

    Attributes:
        name: Name of its folder.
        frame_rate: Frames per second.
        detections: Detections of each frame, with scores 0..1.
        truth: Identities and boxes of each frame, without objects that are marked as not to be counted.
        size: Width and height of the pictures, pixels; None if it is not known.
    """

    name: str
    frame_rate: float
    detections: list[Detections]
    truth: list[Boxes]
    size: tuple[int, int] | None = None


def _table(path: Path) -> F64:
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        rows = [[float(value) for value in line.split(",")] for line in lines]
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise SourceError(f"{path}: expected numbers separated by commas ({error})") from None
    if not rows:
        return np.zeros((0, _MIN_COLUMNS))
    if min(map(len, rows)) < _MIN_COLUMNS or len({len(row) for row in rows}) > 1:
        raise SourceError(f"{path}: expected rows of frame,id,x,y,w,h,score,... all of one length")
    table = np.array(rows)
    if not np.isfinite(table).all():
        raise SourceError(f"{path}: holds a value that is not a finite number")
    table[:, 4:6] += table[:, 2:4]
    return table


def _unit_scores(score: F64) -> F64:
    """Scores in 0..1: unchanged if they are, 1 if all are missing (-1), else squashed by a logistic."""
    if (score == -1).all():
        return np.ones_like(score)
    if ((score >= 0) & (score <= 1)).all():
        return score
    return np.asarray(1.0 / (1.0 + np.exp(-score / _LOGIT_SCALE)))


def _by_frame(table: F64, length: int, path: Path) -> list[F64]:
    frame = table[:, 0]
    if len(table) and not (frame.min() >= 1 and frame.max() <= length):
        raise SourceError(
            f"{path}: frames {frame.min():g} to {frame.max():g} do not fit the seqLength of {length}"
        )
    table = table[np.argsort(frame, kind="stable")]
    ends = np.searchsorted(table[:, 0], np.arange(1, length), side="right")
    return np.split(table, ends)


def _seqinfo(path: Path) -> tuple[float, int]:
    parser = configparser.ConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
        rate = parser.getfloat("Sequence", "frameRate")
        length = parser.getint("Sequence", "seqLength")
    except FileNotFoundError:
        raise SourceError(
            f"{path}: no such file; the folder of a sequence holds seqinfo.ini and gt/gt.txt"
        ) from None
    except (OSError, ValueError, configparser.Error) as error:
        reason = str(error).splitlines()[0]
        raise SourceError(f"{path}: needs [Sequence] with frameRate and seqLength ({reason})") from None
    if not (rate > 0 and length > 0):
        raise SourceError(f"{path}: frameRate and seqLength must be positive, not {rate:g} and {length}")
    return rate, length


def known_size(folder: Path) -> tuple[int, int] | None:
    """The width and height of a sequence's pictures, in pixels; None if its ``seqinfo.ini`` does not say."""
    try:
        return read_size(folder)
    except SourceError:
        return None


def find(folder: Path) -> list[Path]:
    """Find sequences: the folder itself if it is one, else those of its subfolders that are.

    Args:
        folder: The folder. A folder with a ``seqinfo.ini`` is a sequence.

    Returns:
        At least one folder of a sequence, sorted by name.

    Raises:
        SourceError: The folder does not exist or holds no sequence.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder}: no such folder")
    if (folder / "seqinfo.ini").is_file():
        return [folder]
    found = sorted(child for child in folder.iterdir() if (child / "seqinfo.ini").is_file())
    if not found:
        raise SourceError(f"{folder}: holds no MOTChallenge sequence (a folder with seqinfo.ini)")
    return found


def read(folder: Path, detections: str = "det.txt") -> Sequence:
    """Read one sequence.

    Args:
        folder: Folder with ``seqinfo.ini``, ``gt/gt.txt`` and ``det/``.
        detections: Name of the file in ``det/``.

    Returns:
        The sequence, including frames without objects.

    Raises:
        SourceError: A file is missing or malformed.
    """
    rate, truth = read_truth(folder)
    frames = read_detections(folder / "det" / detections, len(truth))
    return Sequence(folder.resolve().name, rate, frames, truth)


def read_detections(file: Path, length: int) -> list[Detections]:
    """Read a file of detections.

    Args:
        file: The file.
        length: Number of frames.

    Raises:
        SourceError: The file is missing or malformed.
    """
    table = _table(file)
    score = _unit_scores(table[:, 6])
    return [
        Detections(
            rows[:, 2:6].astype(np.float32), rows[:, 6].astype(np.float32), np.zeros(len(rows), np.int32)
        )
        for rows in _by_frame(np.column_stack((table[:, :6], score)), length, file)
    ]


def read_boxes(file: Path, length: int) -> list[Boxes]:
    """Read a file of tracks, or of ground truth without objects that are marked as not to be counted.

    Args:
        file: The file.
        length: Number of frames.

    Raises:
        SourceError: The file is missing or malformed.
    """
    table = _table(file)
    counted = table[table[:, 6] != 0]
    return [(rows[:, 1].astype(np.int64), rows[:, 2:6]) for rows in _by_frame(counted, length, file)]


def read_size(folder: Path) -> tuple[int, int]:
    """Read the width and height of a sequence's pictures, in pixels.

    Raises:
        SourceError: Its ``seqinfo.ini`` does not have them.
    """
    path = folder / "seqinfo.ini"
    parser = configparser.ConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
        size = parser.getint("Sequence", "imWidth"), parser.getint("Sequence", "imHeight")
    except (OSError, ValueError, configparser.Error) as error:
        reason = str(error).splitlines()[0]
        raise SourceError(f"{path}: needs [Sequence] with imWidth and imHeight ({reason})") from None
    if min(size) < 1:
        raise SourceError(f"{path}: imWidth and imHeight must be positive, not {size[0]} and {size[1]}")
    return size


def read_truth(folder: Path) -> tuple[float, list[Boxes]]:
    """Read a sequence's frame rate and ground truth.

    Args:
        folder: Folder with ``seqinfo.ini`` and ``gt/gt.txt``.

    Returns:
        Frames per second, and the identities and boxes of every frame.

    Raises:
        SourceError: A file is missing or malformed.
    """
    rate, length = _seqinfo(folder / "seqinfo.ini")
    return rate, read_boxes(folder / "gt" / "gt.txt", length)


def write(folder: Path, sequence: Sequence) -> None:
    """Write a sequence that other tools can read.

    Args:
        folder: A new folder; it must not exist.
        sequence: The sequence.

    Raises:
        SourceError: The folder exists or cannot be written.
    """
    found = [
        (frame, -1, *box, score)
        for frame, seen in enumerate(sequence.detections, 1)
        for box, score in zip(_sides(seen.xyxy), seen.score.tolist(), strict=True)
    ]
    true = [
        (frame, identity, *box, 1)
        for frame, (ids, boxes) in enumerate(sequence.truth, 1)
        for identity, box in zip(ids.tolist(), _sides(boxes), strict=True)
    ]
    files = {
        "seqinfo.ini": f"[Sequence]\nname={sequence.name}\nframeRate={sequence.frame_rate:g}\n"
        f"seqLength={len(sequence.truth)}\n" + _size_lines(sequence.size),
        "det/det.txt": "".join(",".join(f"{value:g}" for value in row) + "\n" for row in found),
        "gt/gt.txt": "".join(",".join(f"{value:g}" for value in row) + "\n" for row in true),
    }
    try:
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise SourceError(f"{folder}: cannot be written ({error.strerror})") from None


def _size_lines(size: tuple[int, int] | None) -> str:
    return "" if size is None else f"imWidth={size[0]}\nimHeight={size[1]}\n"


def _sides(xyxy: Floats) -> list[list[float]]:
    """Convert corners to left, top, width and height."""
    boxes = np.asarray(xyxy, np.float64)
    sides: list[list[float]] = np.column_stack((boxes[:, :2], boxes[:, 2:] - boxes[:, :2])).round(2).tolist()
    return sides
