"""What the commands that replace zones, rules or the calendar answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from shared.errors import ConfigError, MessageError
from shared.limits import clipped

_WARNINGS = 100
"""The most warnings of one answer."""


@contextmanager
def wrong_in_the_request() -> Iterator[None]:
    """What is wrong with new content is wrong in the request here, not in the configuration.

    Raises:
        MessageError: In place of a ConfigError.
    """
    try:
        yield
    except ConfigError as error:
        raise MessageError(str(error)) from None


def saved_as(version: int, warnings: Sequence[str]) -> dict[str, Any]:
    """The answer to a request whose content was saved.

    Args:
        version: The version that it has now.
        warnings: A sentence for each part of it that has no effect.
    """
    return {"version": version, "warnings": [clipped(one) for one in warnings[:_WARNINGS]]}
