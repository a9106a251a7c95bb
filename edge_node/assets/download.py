"""Files fetched on demand into the cache: with a progress bar, checked, and never half there."""

from __future__ import annotations

import hashlib
import os
import sys
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path

from platformdirs import user_cache_path
from tqdm import tqdm

from shared.errors import DarnerError
from shared.files import PartFile, write_whole


class DownloadError(DarnerError):
    """A file could not be fetched, or is not what it should be."""


def cache_dir() -> Path:
    """Where downloads are kept: ``$DARNER_CACHE``, else the user's cache folder."""
    return Path(os.environ.get("DARNER_CACHE") or user_cache_path("darner"))


def sha256(path: Path) -> str:
    """Hash of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def fetch(url: str, target: Path, expected_sha256: str | None = None) -> Path:
    """Download to `target`; a file that is already there is only checked.

    The hash is recorded beside the file (``NAME.sha256``); later runs must match it.

    Args:
        url: ``https`` address.
        target: Final place; appears only when complete and correct.
        expected_sha256: What the content must hash to; None trusts the first download and records it.

    Raises:
        DownloadError: No network, an error answer, or another hash than expected; the text says what to do.
    """
    record = target.with_name(target.name + ".sha256")
    if target.is_file():
        known = expected_sha256 or (record.read_text().split()[0] if record.is_file() else None)
        if known and sha256(target) != known:
            raise DownloadError(
                f"{target}: is not the file it was (SHA-256 {known} expected); delete it to fetch it again"
            )
        return target
    with PartFile(target) as part:
        _stream(url, part.path)
        found = sha256(part.path)
        if expected_sha256 and found != expected_sha256:
            raise DownloadError(f"{url}: SHA-256 is {found}, expected {expected_sha256}; not used")
        write_whole(record, f"{found}  {target.name}\n".encode())
        part.keep()
    return target


def _stream(url: str, part: Path) -> None:
    if not url.startswith("https://"):
        raise DownloadError(f"{url}: only https addresses are fetched")
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
                raise DownloadError(f"{url}: cut short after {file.tell()} of {length} bytes")
    except (OSError, HTTPException, urllib.error.URLError) as error:
        reason = getattr(error, "reason", None) or error
        raise DownloadError(f"cannot download {url}: {reason}") from None
