"""Limits how often passwords may be tried, so that guessing is slow and yet cannot keep the login shut.

Every attempt is paid for from three token buckets: that of its address, that of the wider network, and one
for all strangers together. Two kinds of visitors are not kept out by others' guessing:

- From an address from which somebody logged in lately, only its own bucket counts.
- A wider network that has not tried for a while has a few attempts from a reserve, which whoever guesses from
  few networks cannot use up.
"""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from viewer_server.access.addresses import owner_of

PER_ADDRESS, ADDRESS_REFILL_S = 5, 30.0
PER_NETWORK, NETWORK_REFILL_S = 20, 10.0
ALTOGETHER, REFILL_S = 60, 1.0
"""Attempts in a row, and the seconds after which there is one more."""
RESERVED = 2
"""Attempts of a network that has not tried for `QUIET_S` while the bucket of all is empty."""
QUIET_S = 3600.0
MAX_ADDRESSES = 4096
"""Addresses, and networks, that are remembered."""


@dataclass
class _Bucket:
    left: float
    at_s: float

    def fill(self, now_s: float, size: int, refill_s: float) -> None:
        self.left = min(size, self.left + (now_s - self.at_s) / refill_s)
        self.at_s = now_s

    def wait_s(self, refill_s: float) -> float:
        """Seconds until there is an attempt."""
        return max(0.0, (1 - self.left) * refill_s)


class _Buckets:
    """One for each name; the one that was not used for the longest time gives way to a new one."""

    def __init__(self, size: int, refill_s: float) -> None:
        self._size, self._refill_s = size, refill_s
        self._known: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def of(self, name: str, now_s: float) -> _Bucket:
        """The bucket of a name, filled up to now."""
        bucket = self._known.setdefault(name, _Bucket(self._size, now_s))
        self._known.move_to_end(name)
        if len(self._known) > MAX_ADDRESSES:
            self._known.popitem(last=False)
        bucket.fill(now_s, self._size, self._refill_s)
        return bucket

    def forget(self, name: str) -> None:
        """Let a name begin anew."""
        self._known.pop(name, None)


class Attempts:
    """Five failed attempts in a row, then one every half minute; a right password costs nothing.

    Args:
        clock: Seconds, monotonic.
        known: Owners of addresses from which somebody logged in lately, as `owner_of` names them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, known: Iterable[str] = ()) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known = set(known)
        self._addresses = _Buckets(PER_ADDRESS, ADDRESS_REFILL_S)
        self._networks = _Buckets(PER_NETWORK, NETWORK_REFILL_S)
        self._reserved = _Buckets(RESERVED, QUIET_S / RESERVED)
        self._all = _Bucket(ALTOGETHER, clock())
        self._reserve = _Bucket(ALTOGETHER, clock())

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return len(self._addresses)

    def begin(self, address: str | None) -> int:
        """Pay for an attempt before the password is checked.

        Returns:
            0 when it may be checked, else the seconds to wait.
        """
        now_s, name = self._clock(), owner_of(address)
        with self._lock:
            mine = self._addresses.of(name, now_s)
            if mine.left < 1:
                return math.ceil(mine.wait_s(ADDRESS_REFILL_S))
            if name not in self._known:
                wait_s = self._as_stranger(_network_of(name), now_s)
                if wait_s:
                    return math.ceil(wait_s)
            mine.left -= 1
            return 0

    def succeeded(self, address: str | None) -> None:
        """Refund an attempt whose password was right, and know its address from now on."""
        name = owner_of(address)
        with self._lock:
            self._addresses.forget(name)
            if name not in self._known:
                self._networks.forget(_network_of(name))
                self._all.left = min(ALTOGETHER, self._all.left + 1)
            if len(self._known) >= MAX_ADDRESSES:
                self._known.pop()
            self._known.add(name)

    def _as_stranger(self, network: str, now_s: float) -> float:
        """Pay for an attempt from an address that nobody has logged in from; return the seconds to wait."""
        wide = self._networks.of(network, now_s)
        if wide.left < 1:
            return wide.wait_s(NETWORK_REFILL_S)
        self._all.fill(now_s, ALTOGETHER, REFILL_S)
        reserved = self._reserved.of(network, now_s)
        if self._all.left >= 1:
            self._all.left -= 1
        else:
            self._reserve.fill(now_s, ALTOGETHER, REFILL_S)
            if min(reserved.left, self._reserve.left) < 1:
                return self._all.wait_s(REFILL_S)
            self._reserve.left -= 1
        reserved.left = max(0.0, reserved.left - 1)
        wide.left -= 1
        return 0.0


def _network_of(name: str) -> str:
    """The wider network of an owner: what one provider gives to one customer or place at most."""
    if not name:
        return ""
    network = ipaddress.ip_network(name, strict=False)
    return str(network.supernet(new_prefix=48 if network.version == 6 else 24))
