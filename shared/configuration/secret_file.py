"""Secrets that stand in files of their own."""

from __future__ import annotations

from shared.configuration.yaml_file import decoded
from shared.errors import ConfigError
from shared.files import at_home
from shared.secrets import known

MAX_BYTES = 64_000


def read_secret(key: str, name: str) -> str:
    """The only line of a file, exactly as it stands there; one line end behind it does not count.

    The secret is known from then on, so that no text shows it.

    Args:
        key: The configuration key that names the file, for errors.
        name: The file; ``~`` stands for the home directory.

    Raises:
        ConfigError: The file cannot be read, is not text, is empty, or has more than one line.
    """
    where = f"{key} {name}"
    try:
        with at_home(name).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"{where}: cannot be read: no such file") from None
    except IsADirectoryError:
        raise ConfigError(f"{where}: is a folder; name the file in it that holds the secret") from None
    except PermissionError:
        raise ConfigError(f"{where}: this user may not read it; change its owner or its mode") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{where}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{where}: is larger than {MAX_BYTES // 1000} kB; it must hold the secret alone")
    text = _text(content, where)
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise ConfigError(f"{where}: is empty; it must hold the secret")
    if "\n" in text or "\r" in text:
        raise ConfigError(f"{where}: has more than one line; it must hold the secret alone")
    known.keep(text)
    return text


def _text(content: bytes, where: str) -> str:
    try:
        text = decoded(content)
    except UnicodeDecodeError:
        raise ConfigError(f"{where}: is not UTF-8 text; save the file as UTF-8") from None
    if "\0" in text:
        raise ConfigError(f"{where}: is not text; save the file as UTF-8")
    return text
