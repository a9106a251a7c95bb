"""What the files of pictures hold: size, damage, and by what the same picture is known again."""

from __future__ import annotations

import hashlib
import io
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from edge_node.pictures import U8
from optimization.dataset.texts import read_bytes
from shared.errors import SourceError

if TYPE_CHECKING:
    from PIL import Image

U64 = npt.NDArray[np.uint64]
PICTURE_BYTES = 256_000_000
MOST_PIXELS = 200_000_000
"""A small file can unpack to gigabytes; the largest sensors have about 150 megapixels."""
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
_ORIENTATION, _SIDEWAYS = 0x0112, (5, 6, 7, 8)
"""EXIF's tag, and its values that swap width and height."""
_THREADS = 4
_LOADING = threading.Lock()
_SIDE, _LOW = 32, 8
_NEIGHBOURS = 3000

Damage = Literal["missing", "unreadable", "cut", ""]


@dataclass(frozen=True, slots=True)
class Content:
    """What one file holds.

    Attributes:
        width: Pixels, once the picture is turned as its EXIF says, which is how OpenCV and trainers read it;
            0 when it cannot be read.
        height: Pixels, likewise.
        turned: Whether EXIF turns or mirrors it.
        damage: What is wrong with the file; empty when nothing is.
        digest: Its SHA-256; empty when it was not read whole.
        fingerprint: Its perceptual hash; None when it was not decoded, or shows nothing but one colour.
    """

    width: int
    height: int
    turned: bool = False
    damage: Damage = ""
    digest: str = ""
    fingerprint: int | None = None


def size(path: Path) -> Content:
    """The size of a picture, from its header alone."""
    from PIL import Image

    if not path.is_file():  # a pipe would wait for somebody to write
        return Content(0, 0, damage="missing")
    try:
        with path.open("rb") as file, _opened(file) as header:
            return _sized(header)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return Content(0, 0, damage="unreadable")


def sizes(paths: list[Path]) -> list[Content]:
    """The size of each picture, from its header alone."""
    return list(_each(size, paths))


def content(path: Path) -> Content:
    """All about a picture; decodes it."""
    from PIL import Image, UnidentifiedImageError

    try:
        data = read_bytes(path, PICTURE_BYTES)
    except SourceError:
        return Content(0, 0, damage="unreadable" if path.exists() else "missing")
    digest = hashlib.sha256(data).hexdigest()
    try:
        with _opened(io.BytesIO(data)) as header:
            found = _sized(header)
            if found.width * found.height > MOST_PIXELS:
                return Content(found.width, found.height, found.turned, "unreadable", digest)
            # A JPEG at an eighth of its size takes a fraction of the arithmetic, and still all of its bytes.
            header.draft("L", (found.width // 8, found.height // 8))
            header.load()
    except (UnidentifiedImageError, Image.DecompressionBombError):
        return Content(0, 0, damage="unreadable", digest=digest)
    # Pillow's words for data that end too early or are broken.
    except (OSError, ValueError, SyntaxError, EOFError):
        return Content(0, 0, damage="cut", digest=digest)
    large = min(found.width, found.height) >= 8 * _SIDE
    flags = cv2.IMREAD_REDUCED_GRAYSCALE_8 if large else cv2.IMREAD_GRAYSCALE
    small = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if small is None:
        return Content(found.width, found.height, found.turned, "unreadable", digest)
    seen = fingerprint(np.asarray(small, np.uint8))
    return Content(found.width, found.height, found.turned, "", digest, seen)


def contents(paths: list[Path], *, progress: bool = True) -> list[Content]:
    """All about each picture.

    Args:
        paths: The pictures.
        progress: Whether a bar shows how far it is, where somebody looks at it.
    """
    hidden = None if progress else True
    found = _each(content, paths)
    return list(tqdm(found, total=len(paths), desc="pictures", unit="", leave=False, disable=hidden))


def _each(examine: Callable[[Path], Content], paths: list[Path]) -> Iterator[Content]:
    """What a function finds in each picture; an interrupt does not wait for those that are left."""
    pool = ThreadPoolExecutor(_THREADS)
    try:
        yield from pool.map(examine, paths)
    finally:
        pool.shutdown(cancel_futures=True)


def fingerprint(grey: U8) -> int | None:
    """A perceptual hash of 64 bits: few differ where pictures look alike, else about half.

    The signs of the lowest 64 frequencies of a discrete cosine transform, against their median. Source:
    Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", section 3.2.1.

    Args:
        grey: ``(H, W)``.

    Returns:
        None for a picture of one colour, which has no frequencies.
    """
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    low = cv2.dct(small.astype(np.float32))[:_LOW, :_LOW].ravel()
    if np.abs(low[1:]).max() < 1.0:
        return None
    bits = np.packbits(low > np.median(low[1:]))
    return int.from_bytes(bits.tobytes(), "big")


def near_pairs(fingerprints: U64, most: int) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Pairs of fingerprints that differ in few bits, in batches; a pair can come more than once.

    Of fingerprints that differ in at most n bits, at least one of n + 1 bands is the same. So only neighbours
    in the order of each band are compared, and memory does not grow with the number of pairs. Of more than
    3,000 pictures that agree in a band, as frames of one camera do, each meets its next 3,000 only.

    Args:
        fingerprints: ``(N,)``.
        most: Bits in which the two of a pair may differ.
    """
    edges = np.linspace(0, 64, most + 2).astype(int)
    for low, high in pairwise(edges.tolist()):
        band = (fingerprints >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        order = np.lexsort((fingerprints, band))
        band, ordered = band[order], fingerprints[order]
        start = np.arange(len(fingerprints) - 1)
        for apart in range(1, min(len(fingerprints), _NEIGHBOURS + 1)):
            start = start[start + apart < len(fingerprints)]
            start = start[band[start] == band[start + apart]]
            if not len(start):
                break
            near = start[_bits(ordered[start] ^ ordered[start + apart]) <= most]
            if len(near):
                yield order[near], order[near + apart]


def _bits(words: U64) -> npt.NDArray[np.int64]:
    """How many bits are set in each word; NumPy has this from 2.0 on only."""
    return np.asarray(_SET[np.ascontiguousarray(words).view(np.uint16)].reshape(-1, 4).sum(axis=1), np.int64)


_SET = np.array([bin(word).count("1") for word in range(1 << 16)], np.uint8)


def _opened(file: IO[bytes]) -> Image.Image:
    from PIL import Image  # an optional package: commands that need none of it start without

    with _LOADING:  # Pillow loads its formats at the first picture, which two threads must not do at once
        Image.init()
    with warnings.catch_warnings():
        # Sizes are bounded here; and broken EXIF is nothing to tell users about on the terminal.
        warnings.simplefilter("ignore")
        return Image.open(file, formats=_FORMATS)


def _sized(header: Image.Image) -> Content:
    width, height = header.size
    turn = 1
    # EXIF that cannot be read turns nothing in OpenCV, either.
    with suppress(OSError, ValueError, SyntaxError, TypeError, KeyError):
        turn = int(header.getexif().get(_ORIENTATION, 1))
    if turn in _SIDEWAYS:
        width, height = height, width
    return Content(width, height, turn in (2, 3, 4, *_SIDEWAYS))
