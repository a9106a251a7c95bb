"""Limits that were reached are counted by node and limit, and logged without filling the log."""

from __future__ import annotations

import string
from typing import get_args

import pytest

from viewer_server.config import QuotaSettings
from viewer_server.quotas import (
    ALL_NODES,
    KEPT_OF_A_NODE,
    LINES_A_MINUTE,
    LINES_OF_UNKNOWN_NODES,
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
    quotas = Quotas(QuotaSettings(nodes=300), lambda: 10**15)
    for number in range(KEPT_OF_A_NODE * 300 + 500):
        quotas.hit(f"n{number}", "events", 1000)
    assert len(quotas.reached()) == KEPT_OF_A_NODE * 300
    assert len(caplog.records) == LINES_A_MINUTE


@pytest.mark.parametrize("limit", get_args(Limit))
def test_every_limit_has_words(limit: Limit) -> None:
    fields = [field for _, field, _, _ in string.Formatter().parse(SAYS[limit]) if field is not None]
    assert fields == [""]


def test_a_node_uses_up_its_own_lines_only() -> None:
    once = OnceByNode(1000, 3)
    assert [once("evil", f"topic{number}") for number in range(5)] == [True, True, True, False, False]
    assert sum(once("", f"topic{number}") for number in range(1000)) == LINES_OF_UNKNOWN_NODES
    assert once("shop", "topic0")
    assert not once("shop", "topic0")


@pytest.mark.parametrize(
    ("settings", "states", "live_mb"),
    [
        (QuotaSettings(nodes=10), 10_000, 32.0),
        (QuotaSettings(), 25_000, 32.0),
        (QuotaSettings(nodes=10_000), 250_000, 320.0),
        (QuotaSettings(nodes=10_000, states_total=500, live_mb=5.0), 500, 5.0),
    ],
)
def test_what_all_nodes_share_grows_with_their_number_unless_it_is_set(
    settings: QuotaSettings, states: int, live_mb: float
) -> None:
    assert (settings.all_states, settings.all_live_mb) == (states, live_mb)
