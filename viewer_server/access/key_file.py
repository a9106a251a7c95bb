"""The key that several viewers share, so that each of them accepts the logins of the others."""

from __future__ import annotations

import logging
import os
import secrets
import stat
from pathlib import Path

from shared.configuration.secret_file import read_secret
from shared.errors import ConfigError
from shared.files import PRIVATE, at_home, open_new
from viewer_server.config import HttpSettings

log = logging.getLogger("darner.login")

LEAST = 32
"""Minimum length of a key, characters."""
_CURE = "make one with: darner-viewer --make-key FILE"


def read_key(settings: HttpSettings) -> bytes | None:
    """The shared key; None when none is configured.

    Raises:
        ConfigError: The file cannot be read, others may write it, its key is short, or the viewer makes its
            own password, which no other viewer has.
    """
    name = settings.key_file
    if name is None:
        return None
    if settings.generate_password:
        raise ConfigError(
            "http.key_file and http.generate_password are both set: viewers that share logins need one "
            "password; set http.password_file to the same file on each"
        )
    key = read_secret("http.key_file", name)
    if len(key) < LEAST:
        raise ConfigError(f"http.key_file {name}: needs at least {LEAST} characters; {_CURE}")
    path = at_home(name)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o022:
        raise ConfigError(
            f"http.key_file {name}: others may write it (mode {mode:04o}), and so choose the key; chmod 600"
        )
    # What a container or Kubernetes mounts to be read has to have such a mode, and nobody else is in there.
    if mode & 0o004 and not os.statvfs(path).f_flag & os.ST_RDONLY:
        log.warning(
            "http.key_file %s: every user of this machine may read it (mode %04o), and it is half of what "
            "forges a login; chmod 600",
            name,
            mode,
        )
    return key.encode()


def make_key(path: Path) -> None:
    """Write a new key into a new file that only its owner may read.

    Raises:
        ConfigError: The file is there already, or cannot be made.
    """
    try:
        descriptor = open_new(at_home(str(path)), PRIVATE)
    except FileExistsError:
        raise ConfigError(f"--make-key {path}: is there already, and stays as it is") from None
    except FileNotFoundError:
        raise ConfigError(
            f"--make-key {path}: the folder {path.parent} is not there; make it first"
        ) from None
    except OSError as error:
        raise ConfigError(f"--make-key {path}: cannot be made: {error.strerror}") from None
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{secrets.token_hex(32)}\n")
