"""Whose an address is, and which network has it."""

from __future__ import annotations

import pytest

from viewer_server.access.addresses import Networks, owner_of


@pytest.mark.parametrize(
    ("address", "owner"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::2", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", ""),
        (None, ""),
    ],
)
def test_an_owner_has_one_name(address: str | None, owner: str) -> None:
    assert owner_of(address) == owner


@pytest.mark.parametrize(
    ("address", "known"),
    [
        ("192.0.2.1", True),
        ("::ffff:192.0.2.1", True),
        ("192.0.2.2", False),
        ("2001:db8::1", True),
        ("fe80::1%eth0", True),
        ("unknown", False),
        ("", False),
    ],
)
def test_a_network_has_an_address_however_it_is_written(address: str, known: bool) -> None:
    assert (address in Networks(["192.0.2.1", "2001:db8::/32", "fe80::/10"])) is known
