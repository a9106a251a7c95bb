"""One run of the fleet: connect, each rate, each kill, the end; and what is printed of them."""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Sequence

import psutil

from tests.bench.fleet.driver import Driver
from tests.bench.fleet.node import Tally
from tests.bench.fleet.programs import Program, System

LIMIT_MS = 500.0
"""99 % of the events must be there within this."""
SETTLE_S = 3.0
TICK_S = 0.01
LONGEST_S = 180.0
"""How long everybody may take to be there, and to be back."""
LOOK_S = 2.0
"""How often the viewer is asked which nodes are online: with thousands, that costs it a while."""
BUSY = 90.0
"""Percent of a core from which a program is called busy. Each has one thread that counts."""
COLUMNS = (
    ("events/s", "rate"), ("messages/s", "messages"), ("ack p50 ms", "ack50"), ("ack p99 ms", "ack99"),
    ("browser p50", "age50"), ("browser p99", "age99"), ("broker %", "broker"), ("viewer %", "viewer"),
    ("simulator %", "simulator"), ("broker MB", "broker_mb"), ("viewer MB", "viewer_mb"),
    ("late p99", "late"),
)  # fmt: skip


class Run:
    """A run.

    Args:
        system: The programs.
        driver: The nodes.
        tally: What they have seen.
        options: The command line.
    """

    def __init__(self, system: System, driver: Driver, tally: Tally, options: argparse.Namespace) -> None:
        self._system, self._driver, self._tally, self._options = system, driver, tally, options
        self._self = psutil.Process()
        self._rate = 0.0
        self._turn = 0
        self._due = 0.0
        self._seen = 0.0, 0

    def all(self) -> int:
        """Everything in turn; the exit code."""
        options = self._options
        print(f"{options.nodes} nodes, {os.cpu_count()} cores{', TLS' if options.tls else ''}", flush=True)
        self._driver.start(options.connects)
        self._say("connected", self._until_all_there())
        self._driver.at(time.monotonic(), self._happen)
        for number in range(options.watched):
            self._watch(number, 1.0 / options.fps)
        self._system.browser.start()
        self._driver.run(SETTLE_S)
        print("".join(f"{title:>12}" for title, _ in COLUMNS), flush=True)
        good = []
        for rate in options.rates:
            row = self._step(rate)
            print("".join(f"{row[key]:12.1f}" for _, key in COLUMNS), _saturated(row), flush=True)
            in_time = row["ack99"] < LIMIT_MS and row["age99"] < LIMIT_MS  # NaN, where nothing came, is not
            good.append(in_time and row["stored"] >= row["made"])
        knee = max((rate for rate, well in zip(options.rates, good, strict=True) if well), default=0.0)
        print(f"knee: {knee:g} events/s")
        for which in options.kills:
            self._kill(getattr(self._system, which))
        return self._end(good[0])

    def _step(self, rate: float) -> dict[str, float]:
        """One rate."""
        self._rate = rate
        self._driver.run(SETTLE_S)
        programs, tally = self._system.programs, self._tally
        self._driver.late_s.clear()
        tally.acknowledged_s.clear()
        before = {one.name: one.cpu_s for one in programs}
        own, began, wall = _own_cpu_s(self._self), time.monotonic(), time.time()
        published, made = tally.published, tally.made
        self._driver.run(self._options.seconds)
        took = time.monotonic() - began
        row = {one.name: (one.cpu_s - before[one.name]) * 100 / took for one in programs}
        row["simulator"] = (_own_cpu_s(self._self) - own) * 100 / took
        row["rate"] = (tally.made - made) / took
        row["messages"] = (tally.published - published) / took
        acks = [1e3 * lasted for _, lasted in tally.acknowledged_s]
        ages = self._system.ages_ms(wall + 1.0, time.time())
        row |= {"ack50": _quantile(acks, 0.5), "ack99": _quantile(acks, 0.99)}
        row |= {"age50": _quantile(ages, 0.5), "age99": _quantile(ages, 0.99)}
        row["late"] = 1e3 * _quantile(self._driver.late_s, 0.99)
        row["broker_mb"], row["viewer_mb"] = self._system.broker.memory_mb, self._system.viewer.memory_mb
        row["made"], row["stored"] = float(tally.made), float(self._system.stored())
        # The last ones may be on their way: they count as stored if they are a moment later.
        if row["stored"] < row["made"]:
            self._rate = 0.0
            self._driver.run(SETTLE_S)
            row["stored"] = float(self._system.stored())
        return row

    def _kill(self, victim: Program) -> None:
        """Kill a program while events happen, start it again, and wait until everything is as before."""
        self._rate = self._options.rates[0]
        self._driver.run(SETTLE_S)
        victim.kill()
        self._driver.run(self._options.down)
        victim.start()
        back = self._until_all_there()
        whole = self._wait(lambda: self._unsafe < max(100.0, 2 * self._rate))
        self._say(f"{victim.name} killed: all nodes are back", back)
        self._say(
            f"{victim.name} killed: no event waits any longer",
            None if back is None or whole is None else back + whole,
        )

    def _end(self, first: bool) -> int:
        """Let the last events arrive, and count."""
        self._rate = 0.0
        rest = self._wait(lambda: self._unsafe == 0)
        self._driver.run(1.0)
        made, stored = self._tally.made, self._system.stored()
        numbers = self._system.numbers()
        print(
            f"events: {made} made, {stored} stored once, {made - stored} lost, {self._unsafe} unacknowledged"
        )
        print(f"sent again: {self._tally.sent_again}; refused by the broker: {self._tally.refused}")
        print(f"skipped by the viewer: {numbers.get('messages_refused_total', 0):g}")
        if self._options.watched:
            print(f"frames sent to the browser: {numbers.get('frames_sent_total', 0):g}")
        for name, value in numbers.items():
            if name.startswith("limit "):
                print(f"the viewer's {name}: {value:g}")
        if self._driver.errors:
            print(
                "connections:", ", ".join(f"{count} x {says}" for says, count in self._driver.errors.items())
            )
        return int(not first or made != stored or rest is None)

    @property
    def _unsafe(self) -> int:
        return sum(node.unsafe for node in self._driver.nodes)

    def _until_all_there(self) -> float | None:
        """Seconds until every node is online, at the broker and in the viewer; None: too long."""
        began = time.monotonic()
        nodes = len(self._driver.nodes)
        if self._wait(lambda: self._driver.online == nodes) is None:
            print(f"{self._driver.online} of {nodes} nodes are online: {self._driver.errors}")
            return None
        if self._wait(lambda: self._shown() == nodes, LOOK_S) is None:
            print(f"the viewer shows {self._shown()} of {nodes} nodes")
            return None
        return time.monotonic() - began

    def _shown(self) -> int:
        """Nodes that the viewer shows as online."""
        return int(self._system.numbers().get("node_online", 0))

    def _wait(self, until, every_s: float = 0.1) -> float | None:  # type: ignore[no-untyped-def]
        """Let the nodes live until something is so; how long it took, or None if it was too long."""
        began = time.monotonic()
        looked = 0.0

        def now() -> bool:
            nonlocal looked
            if time.monotonic() < looked + every_s:
                return False
            looked = time.monotonic()
            return bool(until())

        return time.monotonic() - began if self._driver.run(LONGEST_S, now) else None

    def _say(self, what: str, seconds: float | None) -> None:
        print(f"{what}: {'NOT' if seconds is None else f'after {seconds:.1f} s'}", flush=True)

    def _happen(self, due: float) -> float:
        """Let as many events happen as the rate says, each at another node."""
        self._due += self._rate * TICK_S
        nodes = self._driver.nodes
        while self._due >= 1.0:
            self._due -= 1.0
            self._turn = (self._turn + 7919) % len(nodes)  # a prime: neighbours do not follow each other
            nodes[self._turn].happen()
        return due + TICK_S

    def _watch(self, number: int, every_s: float) -> None:
        node, turn = self._driver.nodes[number], 0

        def frame(due: float) -> float:
            nonlocal turn
            turn += 1
            node.frame(turn % 2 == 0)
            return due + every_s

        self._driver.at(time.monotonic() + number * every_s / max(1, self._options.watched), frame)


def _own_cpu_s(process: psutil.Process) -> float:
    return float(sum(process.cpu_times()[:2]))


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else math.nan


def _saturated(row: dict[str, float]) -> str:
    busy = [name for name in ("broker", "viewer", "simulator", "browser") if row[name] >= BUSY]
    total = sum(row[name] for name in ("broker", "viewer", "simulator", "browser"))
    if total >= BUSY * (os.cpu_count() or 1):
        busy.append("all cores")
    return f"  busy: {', '.join(busy)}" if busy else ""
