"""The node whose calendar the tests change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.schedules.calendars import CalendarEdge


@pytest.fixture
def edge(own_broker: Any) -> Iterator[CalendarEdge]:
    node = CalendarEdge(own_broker.url, capabilities=("masks", "names", "calendar", "health"))
    with node:
        yield node
