"""What an HTTP server says about an address: a film, a live stream, a playlist or a picture."""

from __future__ import annotations

import http.client
import re
import ssl
import time
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urljoin

from edge_node.capture.readers.address import Address
from edge_node.config.sources import printable

WebKind = Literal["parts", "picture", "playlist", "dash", "film", "stream"]
"""Pictures one after the other (multipart); one picture; an HLS playlist; a DASH manifest; something with a
length; something without."""

_TIMEOUT_S = 5.0
_HEAD = 65_536
"""Bytes at the start of an answer that are looked at."""
_LARGEST_PLAYLIST = 4 << 20
_LONGEST_WORDS = 100
"""Characters of a server's own words that an error repeats."""
_ENDLESS = 2**40
"""A length from here on, bytes, is not that of a film: some cameras name one for an endless stream."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a server said.

    Attributes:
        kind: What is at the address.
        ended: Of a playlist: whether it is complete, so that it is a film.
        target_s: Of a playlist: the longest duration of a segment, seconds.
        fragmented: Whether it is a fragmented MP4 file, which promises no duration that could be relied on.
    """

    kind: WebKind
    ended: bool = False
    target_s: float = 0.0
    fragmented: bool = False


def opener(address: Address) -> urllib.request.OpenerDirector:
    """Asks one server, with the address's user and password where the server wants them.

    A camera's certificate is not checked, as FFmpeg does not check it: it is seldom signed by anybody.
    """
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=unchecked)]
    if address.login is not None:
        known = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        user, password = (part.decode("utf-8", "surrogateescape") for part in address.login)
        known.add_password(None, address.bare, user, password)
        handlers += [urllib.request.HTTPBasicAuthHandler(known), urllib.request.HTTPDigestAuthHandler(known)]
    return urllib.request.build_opener(*handlers)


def body(answer: Any, limit: int, within_s: float = _TIMEOUT_S) -> bytes:
    """The rest of an answer; gives up on a server that sends it drop by drop.

    Raises:
        OSError: It takes too long or is too large.
    """
    until, parts, size = time.monotonic() + within_s, [], 0
    while part := answer.read1(_HEAD):
        parts.append(part)
        size += len(part)
        if size > limit:
            raise OSError(f"the server's answer is larger than {limit >> 20} MiB")
        if time.monotonic() > until:
            raise TimeoutError
    return b"".join(parts)


def ask(address: Address) -> Said | str:
    """What is at an address, or a text that says why the server could not be asked."""
    try:
        return _ask(opener(address), address.bare)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return trouble(error, address)


def trouble(error: Exception, address: Address) -> str:
    """Why an HTTP request failed, and what helps."""
    if isinstance(error, urllib.error.HTTPError):
        if error.code in (401, 403):
            return refused(address)
        # The server chose these words, which go into the log: they must not forge lines or steer a terminal.
        words = printable(str(error.reason).partition("\n")[0])[:_LONGEST_WORDS]
        return f"the server answers {error.code} {words}"
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return "no answer; is the camera on?"
    if isinstance(reason, OSError):
        if isinstance(reason, ConnectionError) and not reason.strerror:
            return "the server closes the connection"
        return reason.strerror or str(reason)
    if isinstance(reason, ValueError):
        return "the address is not valid, or the server wants a login that is neither Basic nor Digest"
    return "the server does not speak HTTP"


def refused(address: Address) -> str:
    """What to say when user and password are wanted or wrong."""
    if address.login is None:
        return (
            "the camera wants a user and a password; put them into the address: scheme://USER:PASSWORD@host"
        )
    return (
        "the camera rejects the user or the password; check both, and percent-encode every character in them "
        "that is not a letter or digit (@ is %40)"
    )


def _ask(asking: urllib.request.OpenerDirector, url: str) -> Said:
    with closing(asking.open(url, timeout=_TIMEOUT_S)) as answer:
        content = answer.headers.get_content_type()
        if content.startswith("multipart/"):
            return Said("parts")
        if content.startswith("image/"):
            return Said("picture")
        head: bytes = answer.read1(_HEAD)
        if head.lstrip(b"\xef\xbb\xbf\r\n ").startswith(b"#EXTM3U"):
            text = (head + body(answer, _LARGEST_PLAYLIST)).decode(errors="replace")
            return _playlist(asking, answer.url, text)
        if content == "application/dash+xml" or b"<MPD" in head:
            return Said("dash")
        named = answer.headers.get("Content-Length", "")
        length = int(named) if re.fullmatch("[0-9]{1,20}", named) else 0
        if head.startswith(b"--") or (head.startswith(b"\xff\xd8\xff") and not length):
            return Said("parts")
        kind: WebKind = "film" if 0 < length < _ENDLESS else "stream"
        return Said(kind, fragmented=b"mvex" in head or b"moof" in head)


def _playlist(asking: urllib.request.OpenerDirector, url: str, text: str) -> Said:
    """What a playlist is; of a list of variants, what the first of them is."""
    if "#EXT-X-STREAM-INF" in text:
        variant = next((line for line in text.splitlines() if line and not line.startswith("#")), None)
        if variant is not None:
            with closing(asking.open(urljoin(url, variant), timeout=_TIMEOUT_S)) as answer:
                text = body(answer, _LARGEST_PLAYLIST).decode(errors="replace")
    return playlist(text)


def playlist(text: str) -> Said:
    """What an HLS media playlist is (RFC 8216)."""
    target = re.search(r"#EXT-X-TARGETDURATION:\s*(\d+(?:\.\d+)?)", text)
    return Said("playlist", "#EXT-X-ENDLIST" in text, min(float(target[1]), 60.0) if target else 10.0)
