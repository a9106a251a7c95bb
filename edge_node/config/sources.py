"""What a camera's `source` is: decided by what the system says about it, before anything is opened."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import unquote_to_bytes

from edge_node import mqtt_source
from edge_node.config.camera_settings import CameraSettings
from shared.errors import SourceError
from shared.files import at_home
from shared.secrets.redact import redact_address

IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
"""Extensions of the files that count as pictures of a folder."""

SourceKind = Literal["device", "file", "folder", "pipe", "http", "mqtt", "stream", "missing", "unreadable"]
"""A webcam; a regular file; a folder; a FIFO; an HTTP address, whose server says what it is; detections over
MQTT; another address; a path at which nothing is; a path that is none of these."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_FILE_URL = re.compile(r"file:(?://(?:localhost)?(?=/))?", re.IGNORECASE)
_LONGEST_SHOWN = 300
# Below these, /dev holds files and not devices.
_NO_DEVICES = ("/dev/shm/", "/dev/mqueue/", "/dev/hugepages/")  # noqa: S108 - compared, never written


def kind_of(source: int | str) -> SourceKind:
    """What a source is, by what the system says about its path, or by the scheme of its address."""
    if isinstance(source, int) or (source.isascii() and source.isdecimal()):
        return "device"
    path = path_of(source)
    if path is None:
        if mqtt_source.is_mqtt(source):
            return "mqtt"
        return "http" if source.lower().startswith(("http://", "https://")) else "stream"
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        # A webcam that is unplugged has no entry below /dev; it may come back.
        away = path.startswith("/dev/") and not path.startswith(_NO_DEVICES)
        return "device" if away else "missing"
    kinds: list[tuple[bool, SourceKind]] = [
        (stat.S_ISREG(mode), "file"),
        (stat.S_ISDIR(mode), "folder"),
        (stat.S_ISCHR(mode), "device"),
        (stat.S_ISFIFO(mode), "pipe"),
    ]
    return next((kind for fits, kind in kinds if fits), "unreadable")


def path_of(source: int | str) -> str | None:
    """The absolute path that a source names; None for a number and for an address.

    It is absolute because FFmpeg would take `08:15.mp4` for an address of the protocol `08`. A home folder
    (`~`) is expanded, and the address of a file (`file:`) is decoded unless a file has the undecoded name.
    """
    if isinstance(source, int):
        return None
    if found := _FILE_URL.match(source):
        plain = source[found.end() :]
        decoded = os.fsdecode(unquote_to_bytes(os.fsencode(plain)))
        return str(Path(plain if os.path.lexists(plain) else decoded).absolute())
    if _SCHEME.match(source):
        return None
    return str(at_home(source).absolute())


def may_come_later(source: int | str) -> bool:
    """Whether a source that is not there now is waited for: a webcam, an address, or a pipe's writer.

    Only an HTTP server can tell whether its address is a film: then each frame's clock is "media".
    """
    return kind_of(source) in ("device", "http", "mqtt", "stream", "pipe")


def has_pictures(source: int | str) -> bool:
    """Whether a source gives pictures; else it gives what its camera has detected itself."""
    return not mqtt_source.is_mqtt(source)


def is_read_fast(settings: CameraSettings) -> bool:
    """Whether a source is a film that is read as fast as its frames can be processed (`pace: fast`)."""
    return settings.pace == "fast" and kind_of(settings.source) not in ("device", "mqtt", "stream", "pipe")


def are_read_fast(cameras: Mapping[str, CameraSettings]) -> bool:
    """Whether all sources are films that are read fast: then reading may wait for what comes after it."""
    return all(map(is_read_fast, cameras.values()))


def describe(source: int | str) -> str:
    """A source for logs and messages: an address without credentials, or the name of a file."""
    path = path_of(source)
    if path is None or kind_of(source) in ("device", "pipe"):
        return redact_address(printable(str(source)))
    # It may be an address whose scheme was forgotten.
    return Path(redact_address(printable(str(source)))).name or printable(Path(path).name)


def printable(name: str) -> str:
    """A file's name for logs and messages: what is not UTF-8 in it, and control characters, as escapes."""
    escaped = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in escaped)


def pictures(folder: Path) -> list[Path]:
    """The pictures in a folder, by name; numbers in names by their value, so that 2 comes before 10."""
    return sorted((path for path in folder.iterdir() if path.suffix.lower() in IMAGES), key=_by_number)


def _by_number(path: Path) -> tuple[list[int | str], str]:
    """What sorts names as people do: text and numbers in turn, and then the name itself."""
    parts = re.split("([0-9]+)", path.name)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], path.name


def check_source(camera: str, source: int | str) -> None:
    """Make sure that a file or folder exists and can be read; a live source may appear later.

    Raises:
        SourceError: It does not exist or cannot be read, or the folder has no pictures.
    """
    trouble = _trouble(source)
    if trouble is not None:
        shown = redact_address(printable(str(source)))[:_LONGEST_SHOWN]
        raise SourceError(f"camera {camera}: source '{shown}': {trouble}")


def _trouble(source: int | str) -> str | None:
    """Why a source cannot be read; None when nothing speaks against it."""
    if source == "":
        return "is empty; name a webcam (0), a file, a folder or a URL"
    path = path_of(source)
    if path is None:
        wrong = mqtt_source.trouble(str(source)) if mqtt_source.is_mqtt(source) else None
        return _unsendable(str(source)) or wrong
    kind = kind_of(source)
    if kind == "missing":
        if isinstance(source, str) and source.startswith("~") and path.endswith(source):
            return "no user has this name; write the whole path"
        if re.match(r"[A-Za-z][A-Za-z0-9+]{2,}:/[^/]", str(source)):
            return "no such file; if it is an address, it needs two slashes after the colon"
        return _absence(path)
    if kind == "unreadable":
        return "is neither a file, a folder, a webcam nor a pipe"
    if not is_utf8(path):
        return "its name is not UTF-8, which OpenCV needs; rename it"
    if kind != "device" and not os.access(path, os.R_OK):
        return "this user may not read it; change its permissions"
    if kind == "folder" and not pictures(Path(path)):
        return f"no pictures ({', '.join(sorted(IMAGES))}) in this folder"
    return None


def _absence(path: str) -> str:
    try:
        Path(path).stat()
    except FileNotFoundError:
        pass
    except ValueError:
        return "its name has a NUL byte, which no file has"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return "no such file, folder, device or URL"


def _unsendable(url: str) -> str | None:
    if not is_utf8(url) or "\0" in url:
        return "its address is not UTF-8 text; percent-encode it"
    return None


def is_utf8(text: str) -> bool:
    """Whether a path or an address can be handed to a library that takes UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
