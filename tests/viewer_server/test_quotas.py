"""Limits that were reached are counted by node and limit, and logged without filling the log."""

from __future__ import annotations

import string
from typing import get_args

import pytest

from viewer_server.quotas import (
    ALL_NODES,
    LINES_A_MINUTE,
    LINES_OF_UNKNOWN_NODES,
    MAX_KEPT,
    SAYS,
    Limit,
    OnceByNode,
    Quotas,
)


def test_what_gave_way_is_counted_by_node_and_limit_and_said_once_a_day(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now_us = 10**15
    quotas = Quotas(wall_us=lambda: now_us)
    for _ in range(100):
        quotas.hit("evil", "places", 512, 2)
    quotas.hit("shop", "clock", 300)
    quotas.hit(ALL_NODES, "nodes", 1000)
    assert [(one.node, one.limit, one.count, one.last_us) for one in quotas.reached()] == [
        ("", "nodes", 1, now_us),
        ("evil", "places", 200, now_us),
        ("shop", "clock", 1, now_us),
    ]
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "node evil", "node shop", "all nodes",
    ]  # fmt: skip
    assert "more than 512 zones and lines: sums of the oldest are deleted (quotas.places)" in caplog.text
    now_us += 86_400_000_000
    quotas.hit("evil", "places", 512)
    assert len(caplog.records) == 4


def test_invented_nodes_fill_neither_memory_nor_the_log(caplog: pytest.LogCaptureFixture) -> None:
    quotas = Quotas(wall_us=lambda: 10**15)
    for number in range(MAX_KEPT + 500):
        quotas.hit(f"n{number}", "events", 1000)
    assert len(quotas.reached()) == MAX_KEPT
    assert len(caplog.records) == LINES_A_MINUTE


@pytest.mark.parametrize("limit", get_args(Limit))
def test_every_limit_has_words(limit: Limit) -> None:
    fields = [field for _, field, _, _ in string.Formatter().parse(SAYS[limit]) if field is not None]
    assert fields == [""]


def test_a_node_uses_up_its_own_lines_only() -> None:
    once = OnceByNode(3)
    assert [once("evil", f"topic{number}") for number in range(5)] == [True, True, True, False, False]
    assert sum(once("", f"topic{number}") for number in range(1000)) == LINES_OF_UNKNOWN_NODES
    assert once("shop", "topic0")
    assert not once("shop", "topic0")
