"""The archive's configuration: every section and key, with its default and its bounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from shared.configuration.declared import FILE
from shared.mqtt.address import MqttSettings
from shared.wire.messages import Id


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """The PostgreSQL database, version 12 or newer, whose encoding is UTF8."""

    # Not declared as an address: that would hide the user's name in every text. `place()` hides the password.
    url: Annotated[
        str | None,
        Meta(
            description="postgresql://USER@HOST:PORT/DATABASE, or libpq's words such as service=darner. What "
            "it leaves out comes from libpq's environment: PGHOST, PGUSER, PGPASSFILE. null: all of it",
        ),
    ] = field(default=None, repr=False)
    url_file: Annotated[
        str | None,
        Meta(description="File that holds the address, with its password, instead of url", extra=FILE),
    ] = None
    schema: Annotated[
        Annotated[
            str,
            Meta(
                pattern=r"^[a-z_][a-z0-9_]{0,50}(?!\n)$",
                description="1 to 51 small letters, digits or _; the first is no digit",
            ),
        ],
        Meta(
            description="PostgreSQL's schema of the tables, which the archive creates; another schema is "
            "another archive",
        ),
    ] = "darner_archive"


@dataclass(frozen=True, kw_only=True)
class ArchiveSettings:
    """How events are received and stored, and how many."""

    workers: Annotated[
        int,
        Meta(ge=1, le=16, description="Processes that store events; more than 1 needs shared subscriptions"),
    ] = 1
    shared: Annotated[
        Literal["auto", "true", "false"],
        Meta(
            description="Whether the workers share one subscription. auto: where MQTT 5 is spoken and the "
            "broker says that it can; true: always; false: one worker alone subscribes"
        ),
    ] = "auto"
    group: Annotated[
        Id | None,
        Meta(
            description="Name of the shared subscription, for brokers that allow certain names only; null: "
            "the archive's own name, which is in the database. Two archives must not have one name"
        ),
    ] = None
    batch: Annotated[
        int, Meta(ge=1, le=50_000, description="Maximum number of events in one transaction")
    ] = 5000
    max_age_days: Annotated[
        Annotated[float, Meta(gt=0, le=36_500)] | None,
        Meta(description="Days after their arrival at which events are deleted; null: never"),
    ] = 365.0
    max_events: Annotated[
        Annotated[int, Meta(ge=1000, le=1_000_000_000_000)] | None,
        Meta(
            description="Maximum number of events of all nodes, each about 1 kB; beyond it the node that has "
            "the most loses its oldest. null: no maximum"
        ),
    ] = 100_000_000
    nodes: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Maximum nodes. Beyond it a node that has few events and was silent for a minute "
            "gives way to a new one",
        ),
    ] = 20_000
    boots: Annotated[
        int,
        Meta(
            ge=2,
            le=10_000,
            description="Maximum starts of a node whose events are acknowledged; with more than 3000 "
            "nodes fewer",
        ),
    ] = 64


@dataclass(frozen=True, kw_only=True)
class ArchiveConfig:
    """Everything that can be configured on an archive."""

    mqtt: MqttSettings = field(default_factory=MqttSettings)
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    archive: ArchiveSettings = field(default_factory=ArchiveSettings)
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Meta(description="Lowest level that is logged")
    ] = "INFO"
