"""The secrets that this process knows from its configuration, replaced wherever they turn up in a text.

A library may print a password in any shape: escaped, encoded, as a part of a request or of an exception.
Only its value identifies it there.
"""

from __future__ import annotations

import html
import json
import re
import threading
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, unquote

HIDDEN = "***"
_SHORTEST = 4
"""Characters of the shortest secret that is replaced; a shorter one would blot out ordinary words."""
_ANYWHERE = 8
"""From this length on a secret is replaced inside of words, too."""
_MOST = 20_000
"""Forms of secrets that are remembered; the oldest give way, as after many reloads with new passwords."""
# Our own messages have these words. To hide them would spoil the messages; as passwords they protect nothing.
OUR_WORDS = set(
    "admin auto broker camera cameras configuration darner edge false file http https localhost mqtt mqtts "
    "none node null password rtsp secret source token true user username viewer".split()
)

_lock = threading.Lock()
_known: dict[str, str] = {}
_longest_first: tuple[tuple[str, str], ...] | None = ()  # None: to be made anew


def keep(secret: str, shown: str = HIDDEN) -> None:
    """Replace a secret in every text from now on, also where it is escaped or encoded.

    Args:
        secret: Its exact value. One of fewer than four characters is not replaced.
        shown: What is shown in its place.
    """
    global _longest_first
    with _lock:
        for form in _forms(secret):
            if len(form) >= _SHORTEST and form not in OUR_WORDS:
                _known.pop(form, None)
                _known[form] = shown
        while len(_known) > _MOST:
            del _known[next(iter(_known))]
        _longest_first = None


def hide(text: str) -> str:
    """A text without the secrets that are known."""
    for secret, shown in _ordered():
        if secret in text:
            if len(secret) >= _ANYWHERE or not secret.isalnum():
                text = text.replace(secret, shown)
            else:
                word = re.compile(rf"(?<![0-9A-Za-z]){re.escape(secret)}(?![0-9A-Za-z])")
                text = word.sub(shown.replace("\\", r"\\"), text)
    return text


def _ordered() -> tuple[tuple[str, str], ...]:
    """The known secrets, the longest first: a password may be a part of an address that is known, too."""
    global _longest_first
    found = _longest_first
    if found is None:
        with _lock:
            found = _longest_first = tuple(sorted(_known.items(), key=lambda item: -len(item[0])))
    return found


def _forms(secret: str) -> Iterator[str]:
    """A secret as it is, and as programs write it: encoded for an address, or escaped for a text."""
    plain = [secret, unquote(secret), unquote(unquote(secret))]
    for text in dict.fromkeys(plain):
        once = quote(text, safe="", errors="replace")
        encoded = [once, quote(text, errors="replace"), quote(once), quote_plus(text, errors="replace")]
        yield from encoded
        yield from (re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), one) for one in encoded)
        yield from (text, repr(text)[1:-1], repr(text.encode(errors="replace"))[2:-1], html.escape(text))
        yield from (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
        yield text.replace("\\", "\\\\").replace('"', '\\"')


def forget() -> None:
    """Know no secret, as before the configuration was read."""
    global _longest_first
    with _lock:
        _known.clear()
        _longest_first = ()
