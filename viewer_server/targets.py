"""Settings of the targets: where the viewer sends alerts, and how long it keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from shared import limits
from shared.configuration.declared import ADDRESS, FILE, SECRET
from shared.wire.messages import Id, Severity

Ids = Annotated[tuple[Id, ...], Meta(max_length=limits.RULES)]
Address = Annotated[str, Meta(min_length=1, max_length=2000)]


@dataclass(frozen=True, kw_only=True)
class TargetSettings:
    """One receiver of alerts."""

    kind: Annotated[
        Literal["webhook", "apprise"],
        Meta(
            description="webhook: a signed HTTP request; apprise: mail, chat, phone push and whatever else "
            "Apprise reaches (install the extra: `pip install 'darner[alerts]'`)"
        ),
    ]
    url: Annotated[
        Address | None,
        Meta(
            description="Where it goes: an address with http or https; of apprise, its address such as "
            "mailtos://USER:PASSWORD@example.com",
            extra=ADDRESS,
        ),
    ] = field(default=None, repr=False)
    url_file: Annotated[
        str | None, Meta(description="File that holds the address, instead of url", extra=FILE)
    ] = None
    secret: Annotated[
        str | None,
        Meta(
            description="Of a webhook: the key that signs it, whsec_ and 24 to 64 bytes in base64",
            extra=SECRET,
        ),
    ] = field(default=None, repr=False)
    secret_file: Annotated[
        str | None, Meta(description="File that holds the key, instead of secret", extra=FILE)
    ] = None
    token: Annotated[
        str | None, Meta(description="Of a webhook: sent as `Authorization: Bearer TOKEN`", extra=SECRET)
    ] = field(default=None, repr=False)
    token_file: Annotated[
        str | None, Meta(description="File that holds the token, instead of token", extra=FILE)
    ] = None
    ca_file: Annotated[
        str | None,
        Meta(
            description="Of a webhook: certificates (PEM) to check its server's with; null: the system's",
            extra=FILE,
        ),
    ] = None
    severity: Annotated[Severity, Meta(description="Only alerts that are at least so urgent")] = "info"
    nodes: Annotated[Ids, Meta(description="Only alerts of these nodes; empty: all")] = ()
    cameras: Annotated[Ids, Meta(description="Only alerts of these cameras; empty: all")] = ()
    rules: Annotated[Ids, Meta(description="Only alerts of these rules; empty: all")] = ()
    title: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=limits.TEXT_LENGTH,
            description="Of apprise: the title, with fields in braces: {event_id}, {node}, {camera}, {rule}, "
            "{severity}, {text}, {zone}, {label}, {direction}, {dwell_s}, {count}, {problem}, {time}, "
            "{late}, {link}, {more}",
        ),
    ] = "{rule}: {camera}"
    body: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=4000,
            description="Of apprise: the text, with the same fields; {late} and {more} may be empty",
        ),
    ] = "{text}\n{time} {late}\n{more}{link}"
    picture: Annotated[bool, Meta(description="Whether the alert's picture goes with it")] = True
    timeout_s: Annotated[
        float, Meta(ge=1, le=120, description="Seconds after which a receiver counts as hung")
    ] = 15.0
    per_minute: Annotated[
        Annotated[int, Meta(ge=1, le=6000)] | None,
        Meta(
            description="Maximum messages in a minute. The last one that a minute has room for carries all "
            "waiting alerts of its rule. null: 20 for apprise, no limit for webhooks"
        ),
    ] = None

    @property
    def most(self) -> int | None:
        """Maximum messages in a minute."""
        return 20 if self.per_minute is None and self.kind == "apprise" else self.per_minute


@dataclass(frozen=True, kw_only=True)
class NotifySettings:
    """Where alerts go, and how long they are kept. Rules choose targets by their names."""

    targets: Annotated[
        dict[Id, TargetSettings],
        Meta(
            max_length=limits.TARGETS, description="Receivers of alerts, by the names that rules know them by"
        ),
    ] = field(default_factory=dict)
    link: Annotated[
        Annotated[
            str,
            Meta(
                pattern="^https?://",
                max_length=500,
                description="Address that begins with https:// or http://",
            ),
        ]
        | None,
        Meta(
            description="Address under which people reach this viewer, for links in alerts, such as "
            "https://cameras.example.com; null: no links"
        ),
    ] = None
    keep_days: Annotated[
        float,
        Meta(
            gt=0,
            le=3650,
            description="Days for which alerts are kept, with their pictures; what could not be delivered "
            "until then is given up",
        ),
    ] = 14.0
    max_alerts: Annotated[
        int,
        Meta(
            ge=10,
            le=1_000_000,
            description="Maximum alerts that are kept; beyond it the node that has the most loses its oldest",
        ),
    ] = 20_000
    max_mb: Annotated[
        float,
        Meta(
            ge=1,
            le=100_000,
            description="Maximum MB of alerts and their pictures; beyond it the node that has the most loses "
            "its oldest",
        ),
    ] = 200.0
