"""What a whole node has: its calendar and its rules, as steps compare them and requests carry them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from shared.fleet.inventory import Node, plain
from shared.wire.messages import CalendarDefinition


def whole_calendar(node: Node) -> dict[str, Any]:
    """The calendar that a node has, with its defaults where it has none yet."""
    said = node.calendar or CalendarDefinition()
    return {item.name: plain(getattr(said, item.name)) for item in fields(CalendarDefinition)}


def calendar_of(node: Node, keys: Iterable[str]) -> dict[str, Any]:
    """Some parts of the calendar that a node has, by key."""
    whole = whole_calendar(node)
    return {key: whole[key] for key in keys}


def wanted_calendar(parts: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a calendar that a folder wants, by key."""
    return {key: plain(part) for key, part in parts.items()}


def rules_of(node: Node) -> dict[str, Any]:
    """The rules that a node has."""
    return {"rules": plain(node.rules.rules) if node.rules else {}}
