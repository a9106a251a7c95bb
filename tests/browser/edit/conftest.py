"""The node whose definitions the tests of the editor change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.answering import AnsweringEdge


@pytest.fixture
def edge(own_broker: Any) -> Iterator[AnsweringEdge]:
    node = AnsweringEdge(own_broker.url)
    with node:
        yield node
