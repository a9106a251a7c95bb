"""The settings of what a camera ignores: whether filters make sense, and the search for suspects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated

from msgspec import Meta

from shared import limits
from shared.errors import ConfigError
from shared.wire.messages import FilterDefinition

ALL = "all"
"""The name under which a filter holds for every class."""


@dataclass(frozen=True, kw_only=True)
class SuspectSettings:
    """When something that never moves is offered as a mask; nothing is masked without being asked."""

    after_s: Annotated[
        float,
        Meta(
            ge=0,
            le=limits.SECONDS,
            description="Seconds for which it must have been found at one place where no pixel moves; "
            "0 offers nothing",
        ),
    ] = 7200.0


def in_force(filters: Mapping[str, FilterDefinition], label: str) -> FilterDefinition:
    """The filter of a class: its own values, and those of "all" where it has none."""
    common, own = filters.get(ALL, FilterDefinition()), filters.get(label, FilterDefinition())
    values = {}
    for item in fields(FilterDefinition):
        value = getattr(own, item.name)
        values[item.name] = getattr(common, item.name) if value is None else value
    return FilterDefinition(**values)


def refuse_contradictions(filters: Mapping[str, FilterDefinition]) -> None:
    """Make sure that some box can pass each filter.

    Raises:
        ConfigError: A lower bound is above the upper one, or a filter is for no class; the text begins with
            the key.
    """
    if "" in filters:
        raise ConfigError(f"filters: a filter has no name; name a class, or {ALL} for every class")
    for label in filters:
        one = in_force(filters, label)
        for what in ("size", "aspect"):
            low, high = getattr(one, f"min_{what}"), getattr(one, f"max_{what}")
            if low is not None and high is not None and low > high:
                raise ConfigError(
                    f"filters.{label}.min_{what}: {low:g} is above max_{what}, which is {high:g}, "
                    "so that nothing could pass; exchange them or leave one out"
                )
