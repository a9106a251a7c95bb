"""The faults. Each is a context manager: entering it makes the fault, leaving it ends the fault."""

from __future__ import annotations

import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

import psutil

from tests.bench.viewer.attackers import attacking
from tests.conftest import REPO
from tests.faults.brokers.kills import killed_again_and_again
from tests.faults.brokers.several import NATS, haproxy
from tests.faults.edge_settings import CAMERAS, NODE
from tests.faults.evil.answers import check_answers
from tests.faults.kinds.alerts import receivers_down, receivers_mad
from tests.faults.kinds.changes import changes_cut_short
from tests.faults.kinds.clocks import clock_over_days, clock_set
from tests.faults.kinds.covered import covered_meanwhile
from tests.faults.kinds.disks import changes_refused, disk_full, viewer_disk_full
from tests.faults.model import exchanged
from tests.faults.network import cable_possible
from tests.faults.processes import FaultError, Program, wait_for
from tests.faults.system import START_WITHIN_S, Site, System, disk_possible
from tests.integrations.postgresql import is_there as postgresql_is_there

Hold = Callable[[System, random.Random], AbstractContextManager[None]]
FLOOD_PER_S = 300
EVIL_PER_S = 500
EVIL_MB = 150.0
"""What the limits allow: 32 MB of messages, 64 MB of pictures, 32 MB that wait, and what SQLite holds."""
MODELS_MB = 160.0
"""A second network is there while it takes the first one's place: 125 MB, however often."""
POST_MB = 80.0
"""The process that hands a mail to Apprise takes 55 MB, while it lasts."""
RANDOM_KILLS = 6
SAID_WITHIN_S = 15.0
"""How long a stage may stand still until the edge has said so and ended."""
BACK_WITHIN_S = 7.0
"""How long it may take until all flows again after one broker of several was killed."""


HERE = Site()


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    Attributes:
        name: The name for --only.
        says: What is done, for the report.
        hold: Makes the fault and ends it.
        seconds: How long the fault lasts, in addition to the time that making it takes.
        quick: The same with --quick; None leaves the fault out there.
        site: The surroundings that the fault needs.
        noticed: Whether the edge must log the loss of the broker, and the broker publish the edge's will.
        stop: Whether viewer and edge must also end cleanly while the fault lasts.
        growth_mb: By how much the memory of edge and viewer may grow, megabytes.
        lacks: What this machine lacks for it, with the command that brings it.
    """

    name: str
    says: str
    hold: Hold
    seconds: float
    quick: float | None
    site: Site = HERE
    noticed: bool = False
    stop: bool = False
    growth_mb: float = 20.0
    lacks: str | None = None


def killed(which: str) -> Hold:
    """`kill -9` of one program; it is started again at the end."""

    @contextmanager
    def hold(system: System, dice: random.Random) -> Iterator[None]:  # noqa: ARG001 - as every fault
        program: Program = getattr(system, which)
        program.kill()
        yield
        program.start()

    return hold


@contextmanager
def killed_in_turn(system: System, dice: random.Random) -> Iterator[None]:
    """Kill broker, edge and viewer one after the other."""
    yield from _killed([system.broker, system.edge, system.viewer], dice)


@contextmanager
def killed_at_random(system: System, dice: random.Random) -> Iterator[None]:
    """Kill each twice, at random moments in random order; one may still start when the next is killed."""
    victims = [system.broker, system.edge, system.viewer] * (RANDOM_KILLS // 3)
    dice.shuffle(victims)
    yield from _killed(victims, dice)


def _killed(victims: list[Program], dice: random.Random) -> Iterator[None]:
    for victim in victims:
        victim.kill()
        time.sleep(dice.uniform(0.2, 1.5))
        victim.start()
        if victim is not victims[-1]:
            time.sleep(dice.uniform(1.0, 4.0))
    yield


@contextmanager
def frozen(system: System, dice: random.Random) -> Iterator[None]:  # noqa: ARG001
    """SIGSTOP the broker: its connections stand and the kernel acknowledges, but nobody answers."""
    system.broker.freeze()
    try:
        yield
    finally:
        system.broker.thaw()


def standing_still(*stages: str) -> Hold:
    """Let one stage of the edge after the other stand still, and start it again as its supervisor would."""

    @contextmanager
    def hold(system: System, dice: random.Random) -> Iterator[None]:
        for stage in stages:
            system.frozen.write_text(stage)
            if stage == "inbox":  # which has work only when somebody says something
                system.subscriber.ask("ping", b"{}")
            begin = time.monotonic()
            code = system.edge.ended_by_itself(SAID_WITHIN_S + 5)
            took = time.monotonic() - begin
            wait_for(lambda: system.subscriber.status[0] == "offline", 2, f"{stage}: the status says offline")
            wait_for(lambda: "stood still" in system.subscriber.reason, 2, f"{stage}: the status says why")
            wait_for(lambda: system.viewer.shows(NODE)[0] == "offline", 2, f"{stage}: the viewer shows it")
            system.frozen.unlink()
            if code != 1 or took > SAID_WITHIN_S:
                raise FaultError(f"{stage} stood still: exit code {code} after {took:.1f} s")
            time.sleep(dice.uniform(0.5, 1.0))
            begin_s = time.time()
            system.edge.start()
            wait_for(
                system.flowing_since(begin_s), START_WITHIN_S, f"frames flow again after {stage} stood still"
            )
        yield

    return hold


@contextmanager
def cut(system: System, dice: random.Random) -> Iterator[None]:  # noqa: ARG001
    """Drop packets on both sides; where that is not possible, a proxy swallows all bytes."""
    if system.cable is not None:
        with system.cable.cut():
            yield
        return
    assert system.proxy is not None
    system.proxy.swallowing = True
    try:
        yield
    finally:
        system.proxy.hang_up()
        system.proxy.swallowing = False


def slowed(delay_s: float, bytes_per_s: float | None) -> Hold:
    """Delay the bytes to and from the broker, and limit their rate."""

    @contextmanager
    def hold(system: System, dice: random.Random) -> Iterator[None]:  # noqa: ARG001
        assert system.proxy is not None
        system.proxy.delay_s, system.proxy.bytes_per_s = delay_s, bytes_per_s
        try:
            yield
        finally:
            system.proxy.delay_s, system.proxy.bytes_per_s = 0.0, None

    return hold


@contextmanager
def flooded(system: System, dice: random.Random) -> Iterator[None]:
    """Publish garbage on every topic that the programs subscribe to."""
    words = [system.host, str(system.port), NODE, str(dice.randrange(1000)), str(FLOOD_PER_S)]
    process = subprocess.Popen([sys.executable, "-m", "tests.faults.garbage", *words], cwd=REPO)
    try:
        yield
        if process.poll() is not None:
            raise FaultError(f"the flood ended by itself with exit code {process.returncode}")
    finally:
        process.kill()
        process.wait()


@contextmanager
def besieged(system: System, dice: random.Random) -> Iterator[None]:  # noqa: ARG001 - as every fault
    """Slow, silent and never-reading clients of the viewer; /health has an answer all the same."""
    port = int(system.viewer.url.rpartition(":")[2])
    with ExitStack() as attacks:
        for kind in ("half-open", "dripping-body", "never-reading", "handshakes"):
            attacks.enter_context(attacking(port, kind, 130))
        yield
        for _ in range(5):
            try:
                with urllib.request.urlopen(f"{system.viewer.url}/health", timeout=5):  # noqa: S310 - our own
                    pass
            except OSError as error:
                raise FaultError(f"/health has no answer while the viewer is besieged: {error}") from None


def attacked(*, nodes: bool) -> Hold:
    """Let a node send all that it may, or let somebody invent nodes; the viewer answers about ours."""

    @contextmanager
    def hold(system: System, dice: random.Random) -> Iterator[None]:
        words = [system.host, str(system.port), str(dice.randrange(1000)), str(EVIL_PER_S)]
        words += ["--nodes"] if nodes else []
        process = subprocess.Popen([sys.executable, "-m", "tests.faults.evil.flood", *words], cwd=REPO)
        try:
            yield
            if process.poll() is not None:
                raise FaultError(f"the flood ended by itself with exit code {process.returncode}")
            if system.viewer.alive:
                slowest_s = check_answers(system.viewer, NODE, CAMERAS)
                print(f"  the viewer's slowest answer took {slowest_s:.2f} s", file=sys.stderr, flush=True)
        finally:
            process.kill()
            process.wait()

    return hold


@contextmanager
def camera_gone(system: System, dice: random.Random) -> Iterator[None]:  # noqa: ARG001
    """Let one camera hang, the first time for 8 s before it is off. The other must go on."""
    camera = system.camera
    assert camera is not None
    camera.hanging = True
    try:
        if not camera.deaths:
            time.sleep(8.0)
            camera.die()
            camera.hanging = False
        yield
        ago = time.time() - system.subscriber.frames["front"] / 1e6
        if system.edge.alive and ago > 1.5:
            raise FaultError(f"the other camera stopped as well: its newest frame is {ago:.1f} s old")
    finally:
        camera.hanging = False
        if not camera.alive:
            camera.start()


@contextmanager
def archive_killed(system: System, dice: random.Random) -> Iterator[None]:
    """Kill one worker of the archive in PostgreSQL, whose place another takes, and then all of it."""
    assert system.archive is not None
    worker = dice.choice(psutil.Process(system.archive.pid).children())
    worker.kill()
    time.sleep(dice.uniform(1.5, 3.0))
    system.archive.kill()
    yield
    system.archive.start()


@contextmanager
def database_killed(system: System, dice: random.Random) -> Iterator[None]:
    """Kill PostgreSQL and start it at once, and then once more, and leave it dead for a while."""
    assert system.database is not None
    system.database.kill()
    system.database.start()
    time.sleep(dice.uniform(0.5, 2.0))
    system.database.kill()
    yield
    system.database.start()


def faults() -> list[Fault]:
    """The table, with the means that this machine has."""
    slow, hour = Site(link="proxy"), 3600.0
    link = Site(link="cable" if cable_possible() else "proxy")
    cut_how = "netns, DROP" if link.link == "cable" else "proxy"
    disk_how = "tmpfs" if disk_possible() else "RLIMIT_FSIZE"
    forgetful, forgetting = Site(persistence="default"), Site(persistence="none")
    archive = Site(workers=2)
    no_postgresql = None if postgresql_is_there() else "PostgreSQL: apt install postgresql"
    full = Site(viewer=("history.max_mb=16", "history.snapshots_mb=8"))
    return [
        Fault("broker-kill", "kill -9 broker", killed("broker"), 3, 2, stop=True),
        Fault("edge-kill", "kill -9 edge", killed("edge"), 2, 1),
        Fault("viewer-kill", "kill -9 viewer", killed("viewer"), 3, 2),
        Fault(
            "archive-kill",
            "kill -9 archive in PostgreSQL",
            archive_killed,
            3,
            2,
            archive,
            lacks=no_postgresql,
        ),
        Fault(
            "postgres-kill",
            "kill -9 PostgreSQL, twice",
            database_killed,
            5,
            3,
            archive,
            lacks=no_postgresql,
        ),
        Fault("random-kills", "6 kills, random", killed_at_random, 0, None),
        Fault("default-turn", "kills in turn, default persistence", killed_in_turn, 0, None, forgetful),
        Fault("default-random", "6 kills, default persistence", killed_at_random, 0, None, forgetful),
        Fault("none-turn", "kills in turn, no persistence", killed_in_turn, 0, None, forgetting),
        Fault("none-random", "6 kills, no persistence", killed_at_random, 0, None, forgetting),
        Fault("broker-frozen", "broker SIGSTOP", frozen, 30, 6, stop=True),
        Fault("network-cut", f"network cut ({cut_how})", cut, 25, None, link, noticed=True, stop=True),
        Fault("network-delayed", "network 1 s late", slowed(1.0, None), 12, 5, slow),
        Fault("network-slow", "network 20 kB/s, 0.2 s", slowed(0.2, 20_000), 20, 8, slow, stop=True),
        Fault("disk-full", f"disk full ({disk_how})", disk_full, 6, 2, Site(small_disk=True), stop=True),
        Fault(
            "clock-forward", "clock 36 h on", clock_set(36 * hour, restart=False), 8, 4, Site(own_clock=True)
        ),
        Fault(
            "clock-back",
            "clock 1 h back, edge kill -9",
            clock_set(-hour, restart=True),
            8,
            6,
            Site(own_clock=True),
        ),
        Fault(
            "clock-days",
            "clock over starts of the day, edge kill -9",
            clock_over_days,
            2,
            None,
            Site(own_clock=True, ip_camera=True, calendar=True),
        ),
        Fault("viewer-besieged", "520 clients besiege the viewer", besieged, 15, 4),
        Fault("garbage", f"garbage, {FLOOD_PER_S}/s", flooded, 15, 5, stop=True),
        Fault(
            "evil",
            f"a node sends all it may, {EVIL_PER_S}/s",
            attacked(nodes=False),
            25,
            8,
            full,
            stop=True,
            growth_mb=EVIL_MB,
        ),
        Fault(
            "evil-nodes",
            f"invented nodes, {EVIL_PER_S}/s",
            attacked(nodes=True),
            25,
            None,
            full,
            stop=True,
            growth_mb=EVIL_MB,
        ),
        Fault(
            "stage-frozen",
            "stages stand still in turn",
            standing_still(
                "capture", "infer", "watch", "thumbnails", "publish", "outbox", "mqtt", "inbox", "main"
            ),
            0,
            None,
            Site(freezable=True),
        ),
        Fault(
            "receivers-down",
            "receivers of alerts down, edge, viewer and broker kill -9",
            receivers_down,
            60,
            None,
            Site(receivers=True),
            growth_mb=POST_MB,
        ),
        Fault(
            "receivers-mad",
            "receivers answer wrongly, or hang",
            receivers_mad,
            40,
            None,
            Site(receivers=True),
            growth_mb=POST_MB,
        ),
        Fault(
            "viewer-disk-full",
            "viewer's disk full (RLIMIT_FSIZE), alerts",
            viewer_disk_full,
            10,
            None,
            Site(receivers=True),
            growth_mb=POST_MB,
        ),
        Fault("camera", "camera hangs, dies", camera_gone, 12, 2, Site(ip_camera=True), stop=True),
        Fault(
            "camera-covered",
            "camera covered, edge and broker kill -9",
            covered_meanwhile,
            2,
            None,
            Site(ip_camera=True, calendar=True),
        ),
        Fault(
            "changes-kills",
            "edge kill -9 amid changes of calendar, rules, mode",
            changes_cut_short,
            2,
            None,
            Site(calendar=True),
        ),
        Fault(
            "changes-disk-full",
            "the same on a full disk (tmpfs)",
            changes_refused,
            2,
            None,
            Site(small_disk=True, calendar=True),
            lacks=None if disk_possible() else "a disk of its own, for which it has to be root",
        ),
        Fault(
            "model-file",
            "model's file exchanged, damaged",
            exchanged,
            2,
            1,
            Site(own_model=True),
            growth_mb=MODELS_MB,
        ),
        Fault(
            "standby-kills",
            "2 Mosquittos behind haproxy, 9 kills",
            killed_again_and_again(BACK_WITHIN_S),
            0,
            None,
            Site(brokers="standby"),
            lacks=None if haproxy() else "haproxy: apt install haproxy",
        ),
        Fault(
            "nats-kills",
            "3 machines of NATS, 9 kills",
            killed_again_and_again(BACK_WITHIN_S),
            0,
            None,
            Site(brokers="nats"),
            lacks=None if NATS.is_file() else "NATS' server: make .cache/brokers/ready",
        ),
    ]
