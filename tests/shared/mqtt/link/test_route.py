"""The order, the waits and the patience with which the addresses of a cluster are tried."""

from __future__ import annotations

from collections import Counter

import pytest

from shared.mqtt.address import Address
from shared.mqtt.link.route import BETWEEN_S, FIRST_S, LONGEST_S, Route

THREE = [Address(f"b{n}", 1883, False) for n in range(3)]


def test_a_fleet_begins_at_all_members_and_leaves_a_dead_one_for_all_others() -> None:
    begun, moved = Counter[str](), Counter[str]()
    for _ in range(300):
        route = Route(THREE)
        begun[route.address.host] += 1
        if route.address.host == "b0":
            route.lost(0)
            moved[route.address.host] += 1
    assert min(begun[one.host] for one in THREE) > 60
    assert moved.keys() == {"b1", "b2"}


def test_a_round_tries_every_address_once_and_only_then_waits() -> None:
    route = Route(THREE)
    order, waits = [], []
    for _ in range(18):
        order.append(route.address)
        waits.append(route.failed(late=False)[0])
    assert set(order[:3]) == set(THREE)
    assert order == order[:3] * 6
    between = [wait_s for number, wait_s in enumerate(waits) if number % 3 != 2]
    rounds = waits[2::3]
    assert all(BETWEEN_S[0] <= wait_s <= BETWEEN_S[1] for wait_s in between)
    assert all(0.3 <= wait_s <= 1 for wait_s in rounds[:4]), "a cluster may be choosing a leader"
    assert all(0.6 <= wait_s <= 3 for wait_s in rounds[4:])


def test_a_lost_connection_begins_a_round_elsewhere() -> None:
    route = Route(THREE)
    before = route.address
    for _ in range(3):
        route.failed(late=True)
    wait_s, _ = route.lost(0)
    assert route.address != before
    assert 0.3 <= wait_s <= 1
    assert route.patience_s == FIRST_S


@pytest.mark.parametrize(
    ("late", "patience_s"),
    [
        pytest.param((True, True, True), [FIRST_S, 2 * FIRST_S, LONGEST_S, LONGEST_S], id="a slow network"),
        pytest.param((True, False, True), [FIRST_S] * 4, id="two that swallow packets"),
    ],
)
def test_only_where_every_attempt_ran_out_of_time_the_next_round_is_more_patient(
    late: tuple[bool, ...], patience_s: list[float]
) -> None:
    route = Route(THREE)
    had = []
    for _ in patience_s:
        had.append(route.patience_s)
        for one in late:
            route.failed(late=one)
    assert had == patience_s


def test_an_only_address_is_waited_for_as_before_there_were_lists() -> None:
    route = Route(THREE[:1])
    waits = [route.failed(late=True)[0] for _ in range(5)]
    assert 0.3 <= waits[0] <= 1
    assert all(1.5 <= wait_s <= 3 for wait_s in waits[-2:])
    assert route.patience_s == LONGEST_S
