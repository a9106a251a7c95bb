"""The viewer's configuration: every section and key, with its default and its bounds.

The descriptions are the texts of ``docs/reference/configuration.md`` and of the schema that editors read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from shared.configuration.declared import FILE, SECRET
from shared.files import at_home
from shared.mqtt.address import MqttSettings
from shared.storage.folder import state_folder
from viewer_server.targets import NotifySettings

STATES_OF_A_NODE, LIVE_MB_OF_A_NODE = 25, 0.032
"""Retained messages of a node, and the MB that they take: four cameras with two zones each come to 23
messages and 0.034 MB."""


@dataclass(frozen=True, kw_only=True)
class HttpSettings:
    """Where browsers connect, and who may."""

    host: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=255,
            description="Address to listen on; any but loopback needs a password or a token",
        ),
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535, description="Port; 0: a free one")] = 8080
    # A page takes two file descriptors, and paho stops connecting when a process has more than 1,024.
    max_browsers: Annotated[
        int, Meta(ge=1, le=400, description="Maximum number of live pages; further ones are refused")
    ] = 100
    allowed_origins: Annotated[
        tuple[str, ...],
        Meta(
            max_length=64,
            description="Addresses under which browsers reach the viewer, such as "
            "https://cameras.example.com behind a proxy. IP addresses, localhost and this machine's name are "
            "always allowed",
        ),
    ] = ()
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(
            max_length=64,
            description="Addresses or networks of proxies whose X-Forwarded-For, X-Forwarded-Proto and "
            "X-Forwarded-Prefix (or Home Assistant's X-Ingress-Path) are believed",
        ),
    ] = ()
    password_hash: Annotated[
        str | None, Meta(description="Hash that `darner-viewer --hash-password` prints", extra=SECRET)
    ] = field(default=None, repr=False)
    password_file: Annotated[
        str | None, Meta(description="File that holds the hash, instead of password_hash", extra=FILE)
    ] = None
    generate_password: Annotated[
        bool, Meta(description="Without a password, make one at the first start and print it once")
    ] = False
    token: Annotated[
        str | None,
        Meta(
            description="Bearer token with which programs use the API, /metrics and the websocket",
            extra=SECRET,
        ),
    ] = field(default=None, repr=False)
    token_file: Annotated[
        str | None, Meta(description="File that holds the token, instead of token", extra=FILE)
    ] = None
    key_file: Annotated[
        str | None,
        Meta(
            description="File with a key that several viewers share: each accepts the logins of the others. "
            "`darner-viewer --make-key FILE` makes it; they need the same password_file, too",
            extra=FILE,
        ),
    ] = None
    session_hours: Annotated[
        float, Meta(gt=0, le=8760, description="Hours without a visit after which a login ends")
    ] = 168.0


@dataclass(frozen=True, kw_only=True)
class HistorySettings:
    """Where events, sums and the pictures of tracks are stored."""

    path: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(
            description="SQLite file. auto: viewer-history.db in $DARNER_STATE or ~/.local/state/darner; "
            "null: nothing is stored, and no event acknowledged",
            extra=FILE,
        ),
    ] = "auto"
    max_mb: Annotated[
        float,
        Meta(
            ge=1,
            le=1_000_000,
            description="Maximum MB of events and sums of all nodes; beyond it the node that has the most "
            "loses its oldest events, whose sums stay, or its oldest sums where these take more",
        ),
    ] = 1000.0
    max_age_days: Annotated[
        float,
        Meta(gt=0, le=36_500, description="Days after which events, sums and pictures are deleted"),
    ] = 30.0
    snapshots_mb: Annotated[
        float,
        Meta(
            ge=1,
            le=1_000_000,
            description="Maximum MB of pictures of all nodes; beyond it the node that has the most loses "
            "its oldest",
        ),
    ] = 300.0

    @property
    def file(self) -> Path | None:
        """The file of events and sums; None when nothing is stored."""
        if self.path == "auto":
            return state_folder() / "viewer-history.db"
        return at_home(self.path) if self.path else None

    @property
    def snapshots_file(self) -> Path | None:
        """The file of pictures, beside it."""
        return self.file.with_name(f"{self.file.stem}-snapshots.db") if self.file else None

    @property
    def zones_file(self) -> Path | None:
        """The file of earlier zones and lines, beside it."""
        return self.file and self.file.with_name(f"{self.file.stem}-zones.db")

    @property
    def alerts_file(self) -> Path | None:
        """The file of alerts and their deliveries, beside it."""
        return self.file and self.file.with_name(f"{self.file.stem}-alerts.db")


@dataclass(frozen=True, kw_only=True)
class QuotaSettings:
    """How much one node may have the viewer keep: beyond it, that node's own oldest things give way."""

    nodes: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            description="Maximum nodes; what all nodes share grows with it. Beyond it a node that was silent "
            "for a minute gives way to a new one",
        ),
    ] = 1000
    cameras: Annotated[int, Meta(ge=1, le=1024, description="Maximum cameras of a node on the pages")] = 256
    states: Annotated[
        int, Meta(ge=16, le=100_000, description="Maximum retained messages of a node on the pages")
    ] = 2500
    states_total: Annotated[
        Annotated[int, Meta(ge=16, le=10_000_000)] | None,
        Meta(
            description="Maximum retained messages of all nodes; beyond it the node that has the most "
            "gives way. null: 25 for each of `nodes`, and 10,000 at least"
        ),
    ] = None
    live_mb: Annotated[
        Annotated[float, Meta(ge=1, le=10_000)] | None,
        Meta(
            description="Maximum MB of memory for the newest messages of all nodes; beyond it the node "
            "that has the most gives way. null: 0.032 for each of `nodes`, and 32 at least"
        ),
    ] = None
    pictures_mb: Annotated[
        float,
        Meta(
            ge=4,
            le=10_000,
            description="Maximum MB of memory for the newest pictures and boxes of all cameras; beyond it "
            "the node that has the most gives way",
        ),
    ] = 64.0
    boots: Annotated[
        int, Meta(ge=2, le=10_000, description="Maximum starts of a node whose events are acknowledged")
    ] = 64
    places: Annotated[
        int, Meta(ge=8, le=100_000, description="Maximum zones and lines of a node in the history")
    ] = 512
    sessions: Annotated[
        int, Meta(ge=8, le=100_000, description="Maximum sessions of a node in the history")
    ] = 1000

    @property
    def all_states(self) -> int:
        """Maximum retained messages of all nodes."""
        return max(10_000, STATES_OF_A_NODE * self.nodes) if self.states_total is None else self.states_total

    @property
    def all_live_mb(self) -> float:
        """Maximum MB of the newest messages of all nodes."""
        return max(32.0, LIVE_MB_OF_A_NODE * self.nodes) if self.live_mb is None else self.live_mb


@dataclass(frozen=True, kw_only=True)
class LabelSettings:
    """Whether people label pictures here."""

    path: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(
            description="Folder of pictures to label on the page Label, such as what nodes have collected; "
            "labels are written to annotations.json there. null: there is no such page",
            extra=FILE,
        ),
    ] = None
    only: Annotated[
        bool, Meta(description="Only this page, without a broker; `darner-viewer --label DIR` sets it")
    ] = False


@dataclass(frozen=True, kw_only=True)
class ViewerConfig:
    """Everything that can be configured on a viewer."""

    mqtt: MqttSettings = field(default_factory=MqttSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    history: HistorySettings = field(default_factory=HistorySettings)
    quotas: QuotaSettings = field(default_factory=QuotaSettings)
    label: LabelSettings = field(default_factory=LabelSettings)
    notify: NotifySettings = field(default_factory=NotifySettings)
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Meta(description="Lowest level that is logged")
    ] = "INFO"
