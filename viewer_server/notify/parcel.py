"""What one message to a target says: of one alert, or of several that go together."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from shared.errors import ConfigError
from shared.limits import clipped
from shared.secrets.redact import redact
from viewer_server.notify.alert import KeptAlert

LATE_US = 30_000_000
"""How old an alert is when it is sent, microseconds, from which on it says that it is late."""
_FIELD = re.compile(r"\{(\w*)\}")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Control characters but tabs and ends of lines: mail servers refuse some, and terminals obey others."""
_BRACE = re.compile(r"[{}]")
FIELDS = (
    "event_id node camera rule severity text zone label direction dwell_s count problem time late link more"
).split()
"""The fields of a template."""
SHOWN = 160
"""Characters that are shown of what a receiver has said."""
Naming = Callable[[KeptAlert], Mapping[str, str | None]]
"""What people call an alert's node, camera and zone: node_name, camera_name, zone_name."""


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """One message.

    Attributes:
        message_id: The same at every attempt, so that a receiver knows a repetition.
        alerts: Number and alert; several of one rule, oldest first, where they go together.
        names: What people call places, for each alert.
        jpeg: Picture of the first alert.
        sent_us: When this attempt is made, microseconds UTC.
        link: Address of the viewer.
        test: Whether nothing has happened, and somebody tries the target.
    """

    message_id: str
    alerts: Sequence[tuple[int, KeptAlert]]
    names: Sequence[Mapping[str, str | None]]
    jpeg: bytes | None = None
    sent_us: int
    link: str | None = None
    test: bool = False

    @property
    def first(self) -> KeptAlert:
        """The oldest alert."""
        return self.alerts[0][1]

    def described(self) -> dict[str, Any]:
        """All of it but the picture, as plain data; ``more`` holds the alerts behind the first."""
        first, *more = (
            self._described(number, alert, names)
            for (number, alert), names in zip(self.alerts, self.names, strict=True)
        )
        return {**first, "more": more}

    def _described(self, number: int, alert: KeptAlert, names: Mapping[str, str | None]) -> dict[str, Any]:
        said = dataclasses.asdict(alert)
        for name in ("session", "picture", "notify", "historical"):
            del said[name]
        said["rule_name"] = said.pop("name")
        late = is_late(alert, self.sent_us)
        return {
            **said,
            **names,
            "occurred": iso(alert.occurred_us),
            "late": late,
            "late_s": max(0, self.sent_us - alert.occurred_us) // 1_000_000 if late else 0,
            "picture_url": f"{self.link}/api/v1/alerts/{number}/picture"
            if self.link and alert.picture
            else None,
            "test": self.test,
        }

    def fill(self, template: str) -> str:
        """A template with its fields; see `check_template`."""
        alert, names = self.first, self.names[0]
        values = dataclasses.asdict(alert) | {
            "node": names.get("node_name") or alert.node,
            "camera": names.get("camera_name") or alert.camera or names.get("node_name") or alert.node,
            "zone": names.get("zone_name") or alert.zone,
            "rule": alert.name or alert.rule,
            "time": local(alert.occurred_us),
            "late": "(late)" if is_late(alert, self.sent_us) else "",
            "link": f"{self.link}/alerts" if self.link else "",
            "more": self._more(),
        }
        text = _FIELD.sub(lambda found: _word(values.get(found[1])), template)
        return _CONTROLS.sub("", "\n".join(line.rstrip() for line in text.splitlines())).strip()

    def _more(self) -> str:
        if len(self.alerts) == 1:
            return ""
        rest = "\n".join(
            f"{local(alert.occurred_us)}: {alert.text} [{alert.event_id}]" for _, alert in self.alerts[1:]
        )
        return f"And {len(self.alerts) - 1} more:\n{rest}\n"


def is_late(alert: KeptAlert, sent_us: int) -> bool:
    """Whether an alert that is sent now has to say that it is late."""
    return alert.historical or sent_us - alert.occurred_us > LATE_US


def check_template(template: str, key: str) -> str:
    """Return a template if it can be filled.

    Raises:
        ConfigError: It names a field that there is not, or has a single brace.
    """
    for found in _FIELD.finditer(template):
        if found[1] not in FIELDS:
            raise ConfigError(f"{key}: there is no field {{{found[1][:40]}}}; known: {', '.join(FIELDS)}")
    if _BRACE.search(_FIELD.sub("", template)):
        raise ConfigError(f"{key}: has a brace that belongs to no field; write fields as in {{camera}}")
    return template


def shown(said: str) -> str:
    """What a receiver or a library has said: one short line of printable text, without secrets."""
    line = " ".join("".join(c if c.isprintable() else " " for c in said).split())
    return clipped(redact(line), SHOWN)  # a secret that is cut would not be known any more


def iso(at_us: int) -> str:
    """A moment in UTC, as RFC 3339 writes it."""
    return _moment(at_us).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def local(at_us: int) -> str:
    """A moment in the time of this machine."""
    return _moment(at_us).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def _moment(at_us: int) -> datetime:
    # A year beyond 9999 is a broken clock's; whatever it says, the alert has to go out.
    return datetime.fromtimestamp(min(at_us / 1e6, 253_000_000_000), timezone.utc)


def _word(value: object) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a receiver has said to one attempt.

    Attributes:
        delivered: Whether it has taken the message.
        detail: What it said, in words and without secrets.
        wait_s: How long it asks us to wait.
        receivers_fault: Whether other messages would fail as well, as far as one can tell.
    """

    delivered: bool
    detail: str
    wait_s: float | None = None
    receivers_fault: bool = field(default=True)
