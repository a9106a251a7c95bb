"""What zones, lines, masks and filters of one camera must not do to one another."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import fields

import orjson

from shared import limits
from shared.errors import ConfigError
from shared.wire.messages import FilterDefinition

ALL = "all"
"""The name under which a filter holds for every class."""


def refuse_shared_names(
    zones: Mapping[str, object],
    lines: Mapping[str, object],
    masks: Mapping[str, object] | None = None,
) -> None:
    """Make sure that a name means one thing on a camera.

    Raises:
        ConfigError: Two of the zones, lines and masks have the same name.
    """
    kinds = (("zone", zones), ("line", lines), ("mask", masks or {}))
    for (a, some), (b, others) in itertools.combinations(kinds, 2):
        for name in sorted(some.keys() & others.keys()):
            raise ConfigError(f"{name!r} names a {a} and a {b}; rename one of them")


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


def refuse_too_much(camera: str, definitions: object) -> None:
    """Make sure that a camera's definitions fit the message that tells everybody of them.

    Raises:
        ConfigError: They do not.
    """
    size = len(orjson.dumps(definitions))
    if size > limits.DEFINITIONS_BYTES:
        raise ConfigError(
            f"camera {camera}: its zones, lines, masks and filters take {size} bytes, and a message has room "
            f"for {limits.DEFINITIONS_BYTES}: use fewer of them, or fewer corners or classes"
        )
