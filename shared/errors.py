"""Errors that the user can fix: each names the thing, the value unless it is a secret, and the fix."""

from __future__ import annotations

from shared.secrets.redact import redact


class DarnerError(Exception):
    """Base of every error shown to the user as one line, without a traceback and without secrets."""

    exit_code = 1

    def __str__(self) -> str:
        return redact(super().__str__())


class ConfigError(DarnerError):
    """A setting is missing or unknown, or its value cannot work."""

    exit_code = 2


class ModelError(DarnerError):
    """A model file is missing or unreadable, has an unknown layout, or differs from its hash."""


class SourceError(DarnerError):
    """A camera, stream, file or folder cannot be read, and trying again would not help."""


class BrokerError(DarnerError):
    """The broker refuses us for a reason that waiting does not cure: credentials, access rules, protocol."""


class MessageError(DarnerError):
    """A payload from the wire breaks the contract; it is counted and skipped."""


class ConflictError(DarnerError):
    """Somebody else changed the same thing first; nothing was changed."""


def first_line(error: BaseException) -> str:
    """The first line of a library's error, at most 300 characters; the error's type if it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]


class OutputError(DarnerError):
    """A file cannot be written: it exists already, or the disk does not take it."""
