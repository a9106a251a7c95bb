"""Downloads into the cache: with a progress bar, checked, and complete or not there at all."""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import stat
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any

from platformdirs import user_cache_path
from tqdm import tqdm

from shared.errors import DarnerError
from shared.files import PartFile, write_whole

SYSTEM_CACHE = Path("/var/cache/darner")
LIMIT = 1_000_000_000
"""Most bytes of a download whose size is not known beforehand."""
TIMEOUT_S = 10
"""Longest silence of a server, seconds."""

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


def fetch(
    url: str,
    target: Path,
    expected_sha256: str | None = None,
    *,
    limit: int = LIMIT,
    check: Callable[[Path], None] | None = None,
) -> Path:
    """Download a file; a file that exists already is only compared with its recorded hash.

    The file's hash is recorded beside it (``NAME.sha256``), and the file must match it from then on.

    Args:
        url: An ``https`` address.
        target: The file, which appears only when it is complete and correct.
        expected_sha256: The hash that the content must have; None accepts any content the first time.
        limit: Most bytes that are fetched.
        check: Looks at the complete file under a temporary name, and raises an error if it is not wanted.

    Returns:
        `target`.

    Raises:
        DownloadError: The download fails, or the content has another hash; the text says what to do.
        DarnerError: `check` raised it; nothing is kept.
    """
    record = record_of(target)
    if target.is_file():
        known = expected_sha256 or recorded(target)
        if known and sha256(target) != known:
            raise DownloadError(
                f"{target}: has changed since it was downloaded (expected SHA-256 {known}); "
                "delete it to download it again"
            )
        return target
    try:
        with PartFile(target) as part:
            _stream(url, part.path, limit)
            found = sha256(part.path)
            if expected_sha256 and found != expected_sha256:
                raise DownloadError(
                    f"{url}: the file's SHA-256 is {found}, expected {expected_sha256}; it is not used"
                )
            if check is not None:
                check(part.path)
            write_whole(record, f"{found}  {target.name}\n".encode())
            part.keep()
    except OSError as error:
        raise DownloadError(f"{target.parent}: cannot keep a download there: {error.strerror}") from None
    if not expected_sha256:
        log.warning(
            "%s: trusted on first use, as no checksum of it is published; it must keep its SHA-256, %s: "
            "compare that if you can",
            target,
            found,
        )
    return target


def record_of(target: Path) -> Path:
    """The file that holds the hash of a downloaded file."""
    return target.with_name(target.name + ".sha256")


def recorded(target: Path) -> str | None:
    """The hash that a file had when it was downloaded; None when nothing is known of it.

    Raises:
        DownloadError: There is a record, and it cannot be read.
    """
    record = record_of(target)
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


def _stream(url: str, part: Path, limit: int) -> None:
    """Write what an address answers with into a file.

    Raises:
        DownloadError: The address cannot be read, or gives too little or too much.
        OSError: The disk does not take it.
    """
    if not url.startswith("https://"):
        raise DownloadError(f"{url}: only https addresses can be downloaded")
    # Only what opens and reads the connection may be blamed on the network.
    try:
        response = urllib.request.build_opener(_OnlyHttps).open(url, timeout=TIMEOUT_S)
        length = int(response.headers.get("Content-Length") or 0)
    except (OSError, HTTPException, ValueError) as error:  # ValueError: a length that is no number
        raise DownloadError(f"cannot download {url}: {_reason(error)}") from None
    name = url.rsplit("/", 1)[-1]
    with response, part.open("wb") as file, _bar(length, name) as bar:
        while chunk := _read(response, url):
            file.write(chunk)
            bar.update(len(chunk))
            if file.tell() > limit:
                raise DownloadError(f"{url}: is larger than {limit // 1_000_000} MB, so it is not the file")
        if file.tell() < length:
            raise DownloadError(f"{url}: the download ended after {file.tell()} of {length} bytes")


def _read(response: IO[bytes], url: str) -> bytes:
    try:
        return response.read(1 << 16)
    except (OSError, HTTPException) as error:
        raise DownloadError(f"cannot download {url}: {_reason(error)}") from None


def _reason(error: Exception) -> object:
    return getattr(error, "reason", None) or error


def _bar(length: int, name: str) -> Any:
    return tqdm(total=length or None, unit="B", unit_scale=True, desc=name, disable=not sys.stderr.isatty())


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    """Follows redirections to https only: a file that is trusted on first use must come from its server."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not newurl.startswith("https://"):
            raise DownloadError(f"{req.full_url}: leads to {newurl}, and only https can be downloaded")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
