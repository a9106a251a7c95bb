"""Addresses with generated credentials, and the parts of them that must never be seen."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from hypothesis import strategies as st

WORDS = ("Zq7Xk", "Wv3Jy", "Qx9Zj", "Jk5Qw")
"""Pieces of secrets; they stand nowhere else in an address."""
ODD = "@:/?#&=%+;,. \t\n\r\\\"'`<>[]{}()|^~*$!€ß\x7f\u202e😀"
SCHEMES = ("rtsp", "RTSP", "rtsps", "http", "https", "rtmp", "srt", "Http", "udp")
HOSTS = ("cam", "10.0.0.9", "cam.example.org:554", "[2001:db8::7]", "[::1]:8554", "kamera-süd")
PATHS = ("", "/", "/s", "/Streaming/Channels/101", "/h264/ch1/main")
NAMES = (
    "password",
    "pwd",
    "passwd",
    "pass",
    "token",
    "access_token",
    "apikey",
    "key",
    "secret",
    "passphrase",
)


@dataclass(frozen=True)
class Secretive:
    """An address, and what of it may not be shown.

    Attributes:
        address: As a user would write it.
        host: With the port.
        secrets: Pieces of user name and password.
    """

    address: str
    host: str
    secrets: tuple[str, ...]


def secret() -> st.SearchStrategy[str]:
    """Two or more words with odd characters around them and between them."""
    odd = st.text(st.sampled_from(ODD), max_size=3)
    return st.lists(st.tuples(odd, st.sampled_from(WORDS)), min_size=1, max_size=3).flatmap(
        lambda pieces: odd.map(lambda last: "".join(a + b for a, b in pieces) + last)
    )


def _encoded(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from([text, quote(text, safe=""), quote(quote(text, safe=""), safe="")])


def with_user() -> st.SearchStrategy[Secretive]:
    """``scheme://user:password@host/path``, in all the ways that FFmpeg takes it."""

    @st.composite
    def made(draw: st.DrawFn) -> Secretive:
        user = draw(st.sampled_from(["admin", "Kd8Rt"]) | secret())
        password = draw(secret().flatmap(_encoded))
        host = draw(st.sampled_from(HOSTS))
        slashes = draw(st.sampled_from(["//", "//", "//", "/"]))
        path = draw(st.sampled_from(PATHS))
        address = f"{draw(st.sampled_from(SCHEMES))}:{slashes}{user}:{password}@{host}{path}"
        return Secretive(address, host, (*WORDS, "Kd8Rt", "admin"))

    return made()


def with_parameter() -> st.SearchStrategy[Secretive]:
    """An address whose credentials stand in its path or in its query."""

    @st.composite
    def made(draw: st.DrawFn) -> Secretive:
        host = draw(st.sampled_from(HOSTS))
        before = draw(
            st.sampled_from(["/", "/user=admin&", "/v.cgi?channel=1&user=admin&", "/s;", "/live/", "?"])
        )
        word = draw(secret().flatmap(_encoded))
        after = draw(st.sampled_from(["", "&channel=1.sdp", "/main"]))
        scheme = draw(st.sampled_from(SCHEMES))
        address = f"{scheme}://{host}{before}{draw(st.sampled_from(NAMES))}={word}{after}"
        return Secretive(address, host, (*WORDS, "admin"))

    return made()


def addresses() -> st.SearchStrategy[Secretive]:
    """Addresses with credentials anywhere."""
    return with_user() | with_parameter()
