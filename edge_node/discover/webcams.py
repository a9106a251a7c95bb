"""Webcams of this machine: what Linux calls them, and which pictures they give (V4L2).

A webcam has several entries below /dev, and only some of them give pictures: the driver says which.
"""

from __future__ import annotations

import errno
import os
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_node.config.sources import printable

try:
    import fcntl
except ImportError:  # not on Linux: then there is no V4L2 either
    fcntl = None  # type: ignore[assignment]  # the one use looks first

Ioctl = Callable[[int, int, bytearray], object]

_READ, _BOTH = 2, 3
_CAPTURE, _DEVICE_CAPS = 1, 0x8000_0000
_DISCRETE = 1
_MOST = 64
"""The most formats and sizes that are asked for; a driver that never ends its list is not believed."""


def _code(direction: int, number: int, size: int) -> int:
    """The number of an ioctl of V4L2, as <linux/ioctl.h> builds it."""
    return direction << 30 | size << 16 | ord("V") << 8 | number


# From <linux/videodev2.h>: the structures' sizes are part of the numbers.
_QUERYCAP = _code(_READ, 0, 104)
_ENUM_FMT = _code(_BOTH, 2, 64)
_ENUM_SIZES = _code(_BOTH, 74, 44)


@dataclass(frozen=True, kw_only=True, slots=True)
class Webcam:
    """A webcam that gives pictures.

    Attributes:
        path: Below /dev.
        name: What it calls itself; empty if the system does not say.
        formats: The sizes in pixels of each format, by its four letters; none where the system does not say.
        trouble: Why it could not be asked; None if it could.
    """

    path: str
    name: str
    formats: dict[str, list[tuple[int, int]]]
    trouble: str | None = None


def find(root: Path = Path("/"), ioctl: Ioctl | None = None) -> list[Webcam]:
    """The webcams of this machine.

    Args:
        root: The folder that holds /dev and /sys.
        ioctl: Asks a driver; for tests.
    """
    asks = ioctl or (None if fcntl is None else fcntl.ioctl)
    found = []
    entries = [one for one in (root / "dev").glob("video*") if re.fullmatch(r"video\d+", one.name)]
    for entry in sorted(entries, key=lambda one: (len(one.name), one.name)):
        name = _name(root / "sys/class/video4linux" / entry.name / "name")
        webcam = _ask(f"/dev/{entry.name}", entry, name, asks)
        if webcam is not None:
            found.append(webcam)
    return found


def _name(file: Path) -> str:
    try:
        return printable(file.read_text(errors="replace").strip())[:100]
    except OSError:
        return ""


def _ask(path: str, file: Path, name: str, ioctl: Ioctl | None) -> Webcam | None:
    """What a driver says; None when this entry of /dev gives no pictures."""
    if ioctl is None:
        return Webcam(path=path, name=name, formats={})
    try:
        device = os.open(file, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        why = (
            "this user may not read it; add the user to the group video"
            if error.errno == errno.EACCES
            else None
        )
        return Webcam(path=path, name=name, formats={}, trouble=why or error.strerror)
    try:
        said = bytearray(104)
        ioctl(device, _QUERYCAP, said)
        all_of_it, this_one = struct.unpack_from("=II", said, 84)
        if not (this_one if all_of_it & _DEVICE_CAPS else all_of_it) & _CAPTURE:
            return None
        card = printable(bytes(said[16:48]).partition(b"\0")[0].decode(errors="replace"))
        return Webcam(path=path, name=card or name, formats=dict(_formats(device, ioctl)))
    except OSError as error:
        return Webcam(path=path, name=name, formats={}, trouble=error.strerror)
    finally:
        os.close(device)


def _formats(device: int, ioctl: Ioctl) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    for index in range(_MOST):
        said = bytearray(struct.pack("=II", index, _CAPTURE).ljust(64, b"\0"))
        try:
            ioctl(device, _ENUM_FMT, said)
        except OSError:  # EINVAL: that was the last one
            return
        fourcc = bytes(said[44:48])
        yield (
            printable(fourcc.decode("latin-1").strip()),
            sorted(set(_sizes(device, fourcc, ioctl)), reverse=True),
        )


def _sizes(device: int, fourcc: bytes, ioctl: Ioctl) -> Iterator[tuple[int, int]]:
    for index in range(_MOST):
        said = bytearray((struct.pack("=I", index) + fourcc).ljust(44, b"\0"))
        try:
            ioctl(device, _ENUM_SIZES, said)
        except OSError:
            return
        kind, first, second, _, _, last = struct.unpack_from("=6I", said, 8)
        if kind == _DISCRETE:
            yield first, second
            continue
        yield second, last  # a range, with minimum, maximum and step of the width, then of the height
        return
