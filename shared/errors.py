"""Errors that are the user's to fix: each names the thing, the value and the fix."""

from __future__ import annotations


class DarnerError(Exception):
    """Base of every error shown to the user as one line, without a traceback."""

    exit_code = 1


class ConfigError(DarnerError):
    """A setting is missing, unknown or has a value that cannot work."""

    exit_code = 2


class ModelError(DarnerError):
    """A model file is missing, unreadable, of an unknown layout or not what its hash says."""


class SourceError(DarnerError):
    """A camera, stream, file or folder cannot be read, and trying again would not help."""


class BrokerError(DarnerError):
    """The broker refused us for a reason that waiting does not cure (credentials, ACL, protocol)."""


class MessageError(DarnerError):
    """A payload from the wire does not keep the contract; it is counted and skipped."""


class ConflictError(DarnerError):
    """Somebody else changed the same thing first; nothing was changed."""


class OutputError(DarnerError):
    """A file cannot be written: it exists already, or the disk does not take it."""
