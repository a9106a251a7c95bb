"""How a connection is tried again."""

from __future__ import annotations

from shared.mqtt.connection import reconnect_delays


def test_each_reconnect_waits_a_time_of_its_own_within_3_s() -> None:
    waits = {reconnect_delays() for _ in range(20)}
    assert len(waits) == 20
    assert all(0.3 <= first <= 1 and 1.5 <= longest <= 3 for first, longest in waits)
