"""Limits how often passwords may be tried: token buckets, one for each address and one for all together."""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

PER_ADDRESS = 5
ADDRESS_REFILL_S = 30.0
ALTOGETHER = 60
REFILL_S = 1.0
MAX_ADDRESSES = 4096


@dataclass
class _Bucket:
    left: float
    at_s: float

    def fill(self, now_s: float, size: int, refill_s: float) -> None:
        self.left = min(size, self.left + (now_s - self.at_s) / refill_s)
        self.at_s = now_s


class Attempts:
    """Five failed attempts in a row, then one every half minute; a right password costs nothing.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._addresses: OrderedDict[str, _Bucket] = OrderedDict()
        self._all = _Bucket(ALTOGETHER, clock())

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return len(self._addresses)

    def begin(self, address: str | None) -> int:
        """Pay for an attempt before the password is checked.

        Returns:
            0 when it may be checked, else the seconds to wait.
        """
        now_s = self._clock()
        with self._lock:
            mine = self._bucket(_network(address), now_s)
            self._all.fill(now_s, ALTOGETHER, REFILL_S)
            if mine.left < 1:
                return math.ceil((1 - mine.left) * ADDRESS_REFILL_S)
            if self._all.left < 1:
                return math.ceil((1 - self._all.left) * REFILL_S)
            mine.left -= 1
            self._all.left -= 1
            return 0

    def succeeded(self, address: str | None) -> None:
        """Refund an attempt whose password was right."""
        with self._lock:
            self._addresses.pop(_network(address), None)
            self._all.left += 1

    def _bucket(self, network: str, now_s: float) -> _Bucket:
        bucket = self._addresses.setdefault(network, _Bucket(PER_ADDRESS, now_s))
        self._addresses.move_to_end(network)
        if len(self._addresses) > MAX_ADDRESSES:  # the common bucket still counts forgotten addresses
            self._addresses.popitem(last=False)
        bucket.fill(now_s, PER_ADDRESS, ADDRESS_REFILL_S)
        return bucket


def _network(address: str | None) -> str:
    """The network of an address's owner: one IPv6 customer has 2**64 addresses."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return ""
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)
