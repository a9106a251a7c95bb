"""Guessing is slow, whoever guesses from wherever, and keeps nobody out who knows the password."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viewer_server.access.attempts import (
    ALTOGETHER,
    MAX_ADDRESSES,
    PER_ADDRESS,
    PER_NETWORK,
    RESERVED,
    Attempts,
)
from viewer_server.access.login_file import DAY_S, KNOWN_S, MAX_KNOWN, LoginFile


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def guess(attempts: Attempts, address: str, times: int = 1) -> int:
    """How many of these guesses were checked."""
    return sum(attempts.begin(address) == 0 for _ in range(times))


def exhaust(attempts: Attempts, networks: int = 13) -> None:
    """What an attacker does who has addresses in some networks, until the bucket of all is empty."""
    for network in range(networks):
        for host in range(4 if networks < 20 else 1):
            guess(attempts, f"203.{network // 250}.{network % 250}.{host}", 2)
            guess(attempts, f"2001:db8:{network:x}:{host}::1", 2)


def test_who_logged_in_lately_gets_in_whatever_others_do() -> None:
    attempts = Attempts(Clock(), known=["192.0.2.7"])
    exhaust(attempts, networks=100)
    assert attempts.begin("192.0.2.7") == 0
    assert attempts.begin("192.0.2.8") > 0, "the reserve is empty, too, after guesses from 200 networks"


def test_a_fresh_address_gets_in_while_somebody_guesses_from_a_few_networks() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    for step in range(40):
        clock.now_s = step * 5.0
        exhaust(attempts)
    assert guess(attempts, "198.51.100.9", 5) == RESERVED
    attempts.succeeded("198.51.100.9")
    assert attempts.begin("198.51.100.9") == 0, "known from now on"


def test_an_address_is_not_known_for_having_guessed() -> None:
    attempts = Attempts(Clock())
    assert guess(attempts, "203.0.113.1", 50) == PER_ADDRESS
    exhaust(attempts, networks=100)
    assert attempts.begin("203.0.113.2") > 0


def test_known_addresses_guess_no_faster_than_others() -> None:
    clock = Clock()
    attempts = Attempts(clock, known=["192.0.2.7"])
    assert guess(attempts, "192.0.2.7", 50) == PER_ADDRESS
    clock.now_s = 3600.0
    assert guess(attempts, "192.0.2.7", 50) == PER_ADDRESS


@pytest.mark.parametrize(
    "addresses",
    [
        pytest.param([f"203.0.113.{host}" for host in range(250)], id="a /24"),
        pytest.param([f"2001:db8:1:{host:x}::1" for host in range(250)], id="a /48"),
    ],
)
def test_one_wide_network_has_few_attempts_however_many_addresses_it_has(addresses: list[str]) -> None:
    attempts = Attempts(Clock())
    assert sum(guess(attempts, address, 3) for address in addresses) == PER_NETWORK


def test_all_together_are_slow_and_memory_is_bounded() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    first = sum(guess(attempts, f"10.{number // 250}.{number % 250}.1") for number in range(5000))
    assert first == 2 * ALTOGETHER, "the common bucket and the reserve"
    assert len(attempts) == MAX_ADDRESSES
    clock.now_s = 10.0
    assert sum(guess(attempts, f"11.{number // 250}.{number % 250}.1") for number in range(1000)) == 20


def test_the_right_password_costs_nothing() -> None:
    attempts = Attempts(Clock())
    for _ in range(3 * ALTOGETHER):
        assert attempts.begin("10.0.0.1") == 0
        attempts.succeeded("10.0.0.1")


@given(st.lists(st.tuples(st.text(max_size=50) | st.ip_addresses().map(str), st.booleans()), max_size=60))
def test_any_address_is_answered(tried: list[tuple[str, bool]]) -> None:
    attempts = Attempts(Clock())
    for address, right in tried:
        if attempts.begin(address) == 0 and right:
            attempts.succeeded(address)
    assert len(attempts) <= MAX_ADDRESSES


def test_known_addresses_survive_a_restart_and_are_forgotten_in_time(tmp_path: Path) -> None:
    path = tmp_path / "login.json"
    kept = LoginFile(path)
    for number in range(MAX_KNOWN + 5):
        kept.remember(f"10.0.{number // 250}.{number % 250}")
    again = LoginFile(path)
    assert len(again.lately) == MAX_KNOWN
    assert "10.0.0.0" not in again.lately
    again.addresses = {"192.0.2.1": time.time() - KNOWN_S - DAY_S, "192.0.2.2": time.time()}
    assert again.lately == ["192.0.2.2"]


def test_the_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    path = tmp_path / "login.json"
    path.write_text('{"secret": "00", "password_hash": null, "ended": {}}')
    assert LoginFile(path).lately == []
    assert LoginFile(path).secret == b"\x00"
