"""Which user Mosquitto becomes when root starts it: root only if `--user root` asks for that."""

from __future__ import annotations

import logging
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from shared.errors import ConfigError

log = logging.getLogger("darner.broker")

USER = "mosquitto"
OURS = ("mosquitto.", "lost+found")
"""How the names in a folder for Mosquitto's data begin; a volume of its own has the second."""


def of(name: str | None) -> pwd.struct_passwd | None:
    """The user that Mosquitto becomes; None for the one who runs this program.

    Args:
        name: The user asked for.

    Raises:
        ConfigError: There is no such user, or somebody other than root asks for one.
    """
    if os.geteuid() != 0:
        if name is not None:
            raise ConfigError(f"--user {name}: only root can run the broker as another user")
        return None
    try:
        found = pwd.getpwnam(name or USER)
    except KeyError:
        raise ConfigError(
            f"--user {name or USER}: there is no such user, and Mosquitto should not run as root; "
            f"make one (useradd --system {name or USER}), or name another"
        ) from None
    if found.pw_uid == 0:
        log.warning("Mosquitto runs as root: whoever takes it over has the whole machine")
    return found


def give(folder: Path, user: pwd.struct_passwd) -> None:
    """Make Mosquitto's folder, and its files in it, a user's own; links are not followed.

    Raises:
        ConfigError: The folder holds something else as well, or the user cannot reach it.
    """
    files = list(folder.iterdir())
    if others := [file.name for file in files if not file.name.startswith(OURS)]:
        raise ConfigError(
            f"--data {folder}: it holds other files, such as {min(others)}, and Mosquitto's user "
            f"{user.pw_name} has to own the folder; name a folder of its own"
        )
    for path in (folder, *files):
        if path == folder or (path.is_file() and not path.is_symlink()):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    test = shutil.which("test") or "/usr/bin/test"
    asked = subprocess.run(  # noqa: S603 - coreutils' test
        [test, "-w", str(folder), "-a", "-x", str(folder)],
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        check=False,
    )
    if asked.returncode != 0:
        raise ConfigError(
            f"{folder}: the user {user.pw_name}, as whom Mosquitto runs, cannot write there; choose a folder "
            "below /var/lib, or another --user"
        )


def lend(files: Sequence[Path], folder: Path, user: pwd.struct_passwd) -> None:
    """Copy secrets into a folder that only the user can read."""
    folder.mkdir(mode=0o700)
    os.chown(folder, user.pw_uid, user.pw_gid)
    for file in files:
        copy = folder / file.name
        copy.touch(mode=0o600)
        os.chown(copy, user.pw_uid, user.pw_gid)
        copy.write_bytes(file.read_bytes())
