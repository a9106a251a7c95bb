"""A real PostgreSQL in a folder of its own, which can be killed and started again."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

import pytest

from tests.conftest import free_port, wait_for_port, wait_until


def _installed() -> list[Path]:
    return sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))


def is_there() -> bool:
    """Whether a server is installed."""
    return bool(_installed())


def programs() -> Path:
    """The folder of the newest server that is installed; without one, the test is skipped."""
    found = _installed()
    if not found:
        pytest.skip("needs PostgreSQL, whose package starts a server: apt install postgresql")
    return found[-1].parent


class PostgreSql:
    """A server on 127.0.0.1; `with` starts and ends it. Started by root, it becomes the user `postgres`."""

    def __init__(self) -> None:
        self.port = free_port()
        # Not below pytest's folders, which are closed to the user that it becomes.
        self._folder = tempfile.TemporaryDirectory(prefix="darner-postgresql-")
        self._data = Path(self._folder.name) / "data"
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self._folder.name, user.pw_uid, user.pw_gid)
            self._as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> PostgreSql:
        words = ["-D", str(self._data), "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8"]
        subprocess.run(
            [*self._as_user, programs() / "initdb", *words], check=True, capture_output=True, cwd="/"
        )
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._folder.cleanup()

    @property
    def environment(self) -> dict[str, str]:
        """How psql finds it."""
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": "postgres",
            "PGDATABASE": "postgres",
        }

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        self._process = subprocess.Popen(
            [*self._as_user, programs() / "postgres", "-D", str(self._data), "-p", str(self.port), *options],
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
        wait_for_port(self.port)
        wait_until(lambda: self.ask("select 1", check=False) == "1", 30)

    def kill(self) -> None:
        """Stop at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def let_in_by_password(self, user: str) -> None:
        """Ask this user for a password from now on."""
        rules = self._data / "pg_hba.conf"
        rules.write_text(f"host all {user} 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        self.ask("select pg_reload_conf()")

    def ask(self, query: str, *, check: bool = True) -> str:
        """What psql prints for a query, one row a line, its columns apart by "|"."""
        done = subprocess.run(
            ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", query],
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            check=check,
        )
        return done.stdout.strip()

    def run(self, file: Path) -> None:
        """Run a file of SQL."""
        subprocess.run(
            ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(file)],
            env=os.environ | self.environment,
            check=True,
            capture_output=True,
        )
