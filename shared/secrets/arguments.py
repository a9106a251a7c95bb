"""The arguments of this process, which every user of the machine can read in the list of processes."""

from __future__ import annotations

import ctypes
import os
import re
from pathlib import Path

from shared.secrets.known import HIDDEN
from shared.secrets.redact import has_scheme, names_a_secret, redact, redact_address

_ARG_START = 45
"""Of the fields behind the name in /proc/PID/stat; see proc(5)."""
_OPTION = re.compile(r"(?:--?[\w-]+=)?(?:[\w.-]+=)?")
_BELOW = re.compile(r"[{,]\s*[\"']?([\w.-]+)[\"']?\s*:")
"""The keys of a section that stands on the command line, as in ``mqtt={password: ...}``."""
_TARGET = re.compile(r"notify(?:\.targets(?:\.[\w-]+)?)?(?P<url>\.url)?=\Z")
"""Options that may hold the address of a target: the path of a webhook's is often a key."""


def hide_arguments() -> None:
    """Overwrite the credentials among this process's own arguments, as far as the system lets us.

    Until then they can be seen, so this is for those who put them there nevertheless. It works on Linux.
    """
    try:
        given = Path("/proc/self/cmdline").read_bytes()
        fields = Path("/proc/self/stat").read_text(errors="replace").rpartition(")")[2].split()
        start, end = int(fields[_ARG_START]), int(fields[_ARG_START + 1])
    except (OSError, ValueError, IndexError):
        return
    words = given.split(b"\0")[:-1]
    shown = [os.fsencode(shown_argument(os.fsdecode(word))) for word in words]
    if shown == words or start == 0 or end - start != len(given):
        return
    # Shorter than before, so that the length of a secret does not show; the rest is filled with zeros.
    content = b"\0".join(shown)[: len(given) - 1].ljust(len(given), b"\0")
    if ctypes.string_at(start, len(given)) == given:
        ctypes.memmove(start, content, len(given))


def shown_argument(word: str) -> str:
    """One argument without credentials, such as ``--source=rtsp://HOST/`` or ``mqtt.password=***``."""
    option = _OPTION.match(word)
    start = option.end() if option else 0
    if start and not word[:start].endswith("_file=") and names_a_secret(word[:start]):
        return word[:start] + HIDDEN
    value = word[start:]
    below = _BELOW.findall(value)
    if start and any(not name.endswith("_file") and names_a_secret(name) for name in below):
        return word[:start] + HIDDEN
    target = _TARGET.search(word[:start])
    if target is not None and (target["url"] or any(name.endswith("url") for name in below)):
        return word[:start] + HIDDEN
    return redact(word[:start] + (redact_address(value) if has_scheme(value) else value))
