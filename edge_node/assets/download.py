"""Downloads into the cache: with a progress bar, checked, and complete or not there at all."""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import stat
import sys
import tempfile
import urllib.error
import urllib.request
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

from platformdirs import user_cache_path
from tqdm import tqdm

from shared.errors import DarnerError
from shared.files import PartFile, write_whole

SYSTEM_CACHE = Path("/var/cache/darner")

log = logging.getLogger("darner.download")


class DownloadError(DarnerError):
    """A file could not be downloaded, or its content is not the expected one."""


def cache_dir() -> Path:
    """The folder that keeps downloads: ``$DARNER_CACHE``, else one in the user's cache folder.

    A user without a home folder, as in many containers, has /var/cache/darner, or a folder below /tmp.
    """
    chosen = os.environ.get("DARNER_CACHE")
    if chosen:
        return Path(chosen)
    try:
        return user_cache_path("darner")
    except (RuntimeError, KeyError):  # neither $HOME nor an entry for the user in /etc/passwd
        return SYSTEM_CACHE if os.access(SYSTEM_CACHE, os.W_OK | os.X_OK) else temporary_cache()


@functools.cache
def temporary_cache() -> Path:
    """A folder of this user's own below the system's folder for temporary files."""
    path = Path(tempfile.gettempdir(), f"darner-cache-{os.getuid()}")
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
        return path
    # Somebody else has made it, and could put models into it.
    return Path(tempfile.mkdtemp(prefix="darner-cache-"))


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def fetch(url: str, target: Path, expected_sha256: str | None = None) -> Path:
    """Download a file; a file that exists already is only checked.

    The file's hash is recorded beside it (``NAME.sha256``), and the file must match it from then on.

    Args:
        url: An ``https`` address.
        target: The file, which appears only when it is complete and correct.
        expected_sha256: The hash that the content must have; None accepts any content the first time.

    Returns:
        `target`.

    Raises:
        DownloadError: The download fails, or the content has another hash; the text says what to do.
    """
    record = target.with_name(target.name + ".sha256")
    if target.is_file():
        known = expected_sha256 or _recorded(record)
        if known and sha256(target) != known:
            raise DownloadError(
                f"{target}: has changed since it was downloaded (expected SHA-256 {known}); "
                "delete it to download it again"
            )
        return target
    with PartFile(target) as part:
        _stream(url, part.path)
        found = sha256(part.path)
        if expected_sha256 and found != expected_sha256:
            raise DownloadError(
                f"{url}: the file's SHA-256 is {found}, expected {expected_sha256}; it is not used"
            )
        write_whole(record, f"{found}  {target.name}\n".encode())
        part.keep()
    if not expected_sha256:
        log.warning(
            "%s: downloaded and trusted, as no checksum of it is known; it must keep its SHA-256, %s: "
            "compare that if you can",
            target,
            found,
        )
    return target


def _recorded(record: Path) -> str | None:
    """The hash that a file had when it was downloaded; None when nothing is known of it.

    Raises:
        DownloadError: There is a record, and it cannot be read.
    """
    try:
        known = record.read_text(encoding="ascii").split()[:1]
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        known = []
    if not known:
        raise DownloadError(
            f"{record}: holds no SHA-256; delete it and the file beside it to download that again"
        )
    return known[0]


def _stream(url: str, part: Path) -> None:
    if not url.startswith("https://"):
        raise DownloadError(f"{url}: only https addresses can be downloaded")
    try:
        with (
            urllib.request.urlopen(url, timeout=10) as response,  # noqa: S310 - https, checked above
            part.open("wb") as file,
            tqdm(
                total=(length := int(response.headers.get("Content-Length") or 0)) or None,
                unit="B",
                unit_scale=True,
                desc=url.rsplit("/", 1)[-1],
                disable=not sys.stderr.isatty(),
            ) as bar,
        ):
            while chunk := response.read(1 << 16):
                file.write(chunk)
                bar.update(len(chunk))
            if file.tell() < length:
                raise DownloadError(f"{url}: the download ended after {file.tell()} of {length} bytes")
    except (OSError, HTTPException, ValueError) as error:  # ValueError: a length that is no number
        reason = getattr(error, "reason", None) or error
        raise DownloadError(f"cannot download {url}: {reason}") from None
