"""The viewer's configuration keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from shared.mqtt.client import MqttSettings
from shared.storage import state_folder


@dataclass(frozen=True, kw_only=True)
class HttpSettings:
    """Where browsers connect.

    Attributes:
        host: Address to listen on; anything but loopback needs a password or a token.
        port: 0 takes a free one.
        max_browsers: Live pages at once. A page takes two file descriptors, and paho stops connecting when a
            process has more than 1,024, so the limit has a limit.
        allowed_origins: Addresses under which the page is reached, where that is not an IP address, localhost
            or this machine's name, such as ``https://cameras.example.com`` behind a proxy.
        trusted_proxies: Addresses or networks that are believed what they forward: ``X-Forwarded-For`` and
            ``X-Forwarded-Proto``.
        password_hash: What ``python -m viewer_server --hash-password`` prints.
        password_file: A file with that in it.
        generate_password: Without a password, make one at the first start, and print it once.
        token: A bearer token for programs: the API, ``/metrics`` and the websocket.
        token_file: A file with that in it.
        session_hours: How long a login lasts without a visit.
    """

    host: Annotated[str, Meta(min_length=1, max_length=255)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8080
    max_browsers: Annotated[int, Meta(ge=1, le=400)] = 100
    allowed_origins: Annotated[tuple[str, ...], Meta(max_length=64)] = ()
    trusted_proxies: Annotated[tuple[str, ...], Meta(max_length=64)] = ()
    password_hash: str | None = field(default=None, repr=False)
    password_file: str | None = None
    generate_password: bool = False
    token: str | None = field(default=None, repr=False)
    token_file: str | None = None
    session_hours: Annotated[float, Meta(gt=0, le=8760)] = 168.0


@dataclass(frozen=True, kw_only=True)
class HistorySettings:
    """Where events are stored.

    Attributes:
        path: SQLite file; null stores nothing and acknowledges nothing, "auto" is viewer-history.db in
            ``$DARNER_STATE`` or ``~/.local/state/darner``. The pictures of tracks are beside it.
        max_mb: Of events and sums; the oldest events give way, their sums stay.
        max_age_days: Older events, sums and pictures are deleted.
        snapshots_mb: Of pictures; the oldest give way.
    """

    path: Annotated[str, Meta(min_length=1)] | None = "auto"
    max_mb: Annotated[float, Meta(ge=1, le=1_000_000)] = 1000.0
    max_age_days: Annotated[float, Meta(gt=0, le=36_500)] = 30.0
    snapshots_mb: Annotated[float, Meta(ge=1, le=1_000_000)] = 300.0

    @property
    def file(self) -> Path | None:
        """The file that is meant."""
        if self.path == "auto":
            return state_folder() / "viewer-history.db"
        return Path(self.path) if self.path else None

    @property
    def snapshots_file(self) -> Path | None:
        """Where pictures go."""
        return self.file.with_name(f"{self.file.stem}-snapshots.db") if self.file else None

    @property
    def zones_file(self) -> Path | None:
        """Beside it: the zones and lines that were in force."""
        return self.file and self.file.with_name(f"{self.file.stem}-zones.db")


@dataclass(frozen=True, kw_only=True)
class ViewerConfig:
    """Everything that can be set."""

    mqtt: MqttSettings = field(default_factory=MqttSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    history: HistorySettings = field(default_factory=HistorySettings)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
