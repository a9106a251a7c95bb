"""Patterns of identifiers, such as ``shop-*``."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence

from shared.errors import ConfigError

Globs = str | tuple[str, ...]
PATTERN = frozenset("*?[")
"""The characters that make an identifier a pattern."""
_GLOB = re.compile(r"[A-Za-z0-9_*?!\[\]-]{1,128}")


def matches(name: str, globs: Sequence[str]) -> bool:
    """Whether an identifier fits one of some patterns; capitals count."""
    return any(fnmatch.fnmatchcase(name, glob) for glob in globs)


def check_globs(globs: Globs, where: str) -> tuple[str, ...]:
    """Patterns of identifiers, each of which can fit one.

    Raises:
        ConfigError: One cannot; the text begins with `where`.
    """
    listed = (globs,) if isinstance(globs, str) else globs
    for glob in listed:
        if not _GLOB.fullmatch(glob):
            raise ConfigError(
                f"{where}: {glob[:80]!r} fits no identifier; use letters, digits, '_', '-', * and ?"
            )
    return listed


def unused(globs: Sequence[str], names: Sequence[str]) -> str | None:
    """What nobody is called: a full name, or a pattern if none of the others fits anybody either."""
    lost = [glob for glob in globs if not any(matches(name, (glob,)) for name in names)]
    full = [glob for glob in lost if not PATTERN & set(glob)]
    return next(iter(full or (lost if len(lost) == len(globs) else [])), None)
