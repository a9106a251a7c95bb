"""What an engine remembers over a restart, so that no alert is repeated or swallowed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Annotated

import orjson
from msgspec import Meta

from shared import limits
from shared.wire.messages import Id, Label, RuleDefinition
from shared.wire.messages.fields import Micros

WINDOW = 1000
"""The most events of one rule and camera that are remembered, for rules that count."""


@dataclass(frozen=True, kw_only=True)
class RuleState:
    """What is remembered of one rule on one camera.

    Attributes:
        condition: Hash of the condition that this is about.
        last_us: When the rule fired last.
        told: Zones or problems of which the rule has told, and whose condition still holds.
        window: When the events happened that count, oldest first.
    """

    condition: str
    last_us: Micros | None = None
    told: Annotated[tuple[Label, ...], Meta(max_length=limits.ZONES)] = ()
    window: Annotated[tuple[Micros, ...], Meta(max_length=WINDOW)] = ()

    @property
    def worth_keeping(self) -> bool:
        """Whether there is anything to remember."""
        return self.last_us is not None or bool(self.told or self.window)


@dataclass(frozen=True, kw_only=True)
class State:
    """What is remembered of all rules on one camera, by rule."""

    rules: dict[Id, RuleState] = field(default_factory=dict)


def condition_hash(rule: RuleDefinition) -> str:
    """A hash of what a rule looks at; its words and targets do not matter."""
    looks_at = [rule.when, rule.cameras, rule.schedule, rule.first_of]
    return hashlib.sha256(orjson.dumps(looks_at)).hexdigest()[:16]
