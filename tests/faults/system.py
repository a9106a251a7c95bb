"""The system under test: broker, edge node and viewer as users start them, and a subscriber."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from edge_node.assets.models import BUILT_IN, DEFAULT
from tests.conftest import free_port, mosquitto_binary
from tests.faults.brokers.several import Several, nats_cluster, standby
from tests.faults.camera import Camera
from tests.faults.edge_settings import CAMERAS, NODE, edge_settings
from tests.faults.garbage import EXAMPLES
from tests.faults.judges.account import (
    Account,
    Key,
    Stored,
    judge,
    read_archive,
    read_database,
    read_promises,
)
from tests.faults.judges.alerts import missing, read_alerts
from tests.faults.judges.alerts import problems as alert_problems
from tests.faults.judges.days import day_problems, read_days
from tests.faults.judges.health import health_problems, read_problems
from tests.faults.network import Cable, Proxy
from tests.faults.processes import Program, Viewer, archive, broker, end_all, forgetful_broker, wait_for
from tests.faults.receivers.receivers import RULES, Receivers
from tests.faults.subscriber import Subscriber
from tests.integrations.postgresql import PostgreSql

START_WITHIN_S = 120.0
"""A start takes 5 s on an idle machine; the recovery from a fault is compared with it."""
DRAIN_WITHIN_S = 90.0
TOLD_WITHIN_S = 150.0
"""Receivers that come back are tried again within a minute, and mails are counted out."""
DISK = "4m"
DAY_STARTS_IN_S = 1800.0


@dataclass(frozen=True)
class Site:
    """The surroundings of the programs.

    Attributes:
        persistence: What the broker writes to disk: what "ours" does, Mosquitto's "default", or "none".
        link: What lies between edge and broker: "loopback", "proxy" or "cable".
        ip_camera: Whether the second camera is reached over HTTP.
        small_disk: Whether the outbox has a small disk of its own.
        own_clock: Whether the wall clock of edge and viewer can be set.
        viewer: Settings of the viewer, such as ``history.max_mb=2``.
        freezable: Whether a stage of the edge can be made to stand still.
        own_model: Whether the edge runs a file of its own, which may be changed.
        brokers: "one", "nats" for a cluster of three, or "standby" for two behind haproxy.
        workers: Workers of an archive in PostgreSQL beside the viewer; 0 for no such archive.
        receivers: Whether the edge has rules, and the viewer sends their alerts to a web and a mail server.
        calendar: Whether the edge has a calendar, and beside it a rule.
    """

    persistence: str = "ours"
    link: str = "loopback"
    ip_camera: bool = False
    small_disk: bool = False
    own_clock: bool = False
    viewer: tuple[str, ...] = ()
    freezable: bool = False
    own_model: bool = False
    brokers: str = "one"
    workers: int = 0
    receivers: bool = False
    calendar: bool = False


class System:
    """The programs in their surroundings. `with` prepares them; what still runs at its end is killed.

    Args:
        folder: Holds everything that is written.
        video: What the cameras see.
        site: The surroundings.

    Attributes:
        proxy: The proxy between edge and broker, if the site has one.
        cable: The cable between edge and broker, if the site has one.
        camera: The camera reached over HTTP, if the site has one.
        disk: The outbox's folder.
        clock: A file with the offset of the wall clock, seconds as a double.
        frozen: A file with the name of the stage that stands still.
        model: The edge's own model, if the site has one.
        database: The PostgreSQL server, if the site has an archive there.
        archive: That archive.
        receivers: Who gets alerts, if the site has somebody.
        started_s: Seconds from the edge's start until frames and events flowed.
        day_start_s: When the day of the edge's calendar begins, seconds since 1970: soon.
        clock_offset_s: By how much the wall clock of edge and viewer is off.
    """

    def __init__(self, folder: Path, video: Path, site: Site) -> None:
        self.folder, self.site, self._video = folder, site, video
        self.disk = folder / "outbox"
        self.clock = folder / "clock"
        self.frozen = folder / "frozen"
        self.model = folder / "model.onnx"
        self.proxy: Proxy | None = None
        self.cable: Cable | None = None
        self.camera: Camera | None = None
        self.database: PostgreSql | None = None
        self.archive: Program | None = None
        self.receivers: Receivers | None = None
        self.started_s = self.clock_offset_s = 0.0
        self.day_start_s = time.time() // 60 * 60 + DAY_STARTS_IN_S
        self.port = free_port()
        self.host = "127.0.0.1"
        self._stack = ExitStack()

    def __enter__(self) -> System:
        try:
            self._prepare()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _prepare(self) -> None:
        self.disk.mkdir()
        self.clock.write_bytes(struct.pack("d", 0.0))
        if self.site.small_disk and disk_possible():
            mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(self.disk)]
            subprocess.run(mount, check=True)
            self._stack.callback(subprocess.run, ["umount", str(self.disk)], check=False)
        if self.site.link == "cable":
            self.cable = self._stack.enter_context(Cable())
            self.host = self.cable.host
        if self.site.link == "proxy":
            self.proxy = self._stack.enter_context(Proxy(self.host, self.port))
        if self.site.ip_camera:
            self.camera = self._stack.enter_context(Camera(self._video))
        clock = self.clock if self.site.own_clock else None
        url, ports, version, qos = f"mqtt://{self.host}:{self.port}", [self.port], "5", 1
        self.broker = self._brokers()
        if isinstance(self.broker, Several):
            url, ports, version = self.broker.url, self.broker.ports, self.broker.version
            qos = self.broker.subscribe_qos
        speaks = (f"mqtt.version={version}", f"mqtt.subscribe_qos={qos}", *self.site.viewer)
        if self.site.receivers:
            self.receivers = self._stack.enter_context(Receivers(self.folder))
            speaks += self.receivers.settings
        self.viewer = Viewer(self.folder, url, free_port(), clock, speaks)
        near = f"mqtt://127.0.0.1:{self.proxy.port}" if self.proxy else url
        self.edge = self._edge({"url": near.split(","), "version": version, "subscribe_qos": qos}, clock)
        if self.site.workers:
            self.database = self._stack.enter_context(PostgreSql())
            self.archive = archive(self.folder, url, self.database.port, self.site.workers)
        for program in self.programs:
            self._stack.callback(program.kill)
        self.subscriber = Subscriber(self.host, ports, NODE, version, qos)

    def _brokers(self) -> Program:
        if self.site.brokers == "nats":
            return nats_cluster(self.folder)
        if self.site.brokers == "standby":
            return standby(self.folder)
        if self.site.persistence != "ours":
            kept = self.site.persistence == "default"
            return forgetful_broker(self.folder, mosquitto_binary(), self.host, self.port, kept=kept)
        return broker(self.folder, self.host, self.port)

    def _edge(self, mqtt: dict[str, Any], clock: Path | None) -> Program:
        config = self.folder / "edge.yaml"
        own_model = self.model if self.site.own_model else None
        if own_model is not None:
            shutil.copyfile(BUILT_IN / f"{DEFAULT}.onnx", own_model)
        settings = edge_settings(
            self.disk if self.site.calendar else self.folder,
            self.disk,
            (str(self._video), self.camera.url if self.camera else str(self._video)),
            rules=RULES if self.site.receivers else {},
            day_start_s=self.day_start_s if self.site.calendar else None,
            own_model=own_model,
        )
        settings["mqtt"] = mqtt
        config.write_text(yaml.safe_dump(settings, sort_keys=False))  # the first mode is the one that holds
        words = [sys.executable, "-m", "tests.faults.program", "edge_node", "--config", str(config)]
        environment = {"FAULTS_COMMITTED": str(self.folder / "committed")}
        if self.site.freezable:
            environment["FAULTS_FROZEN"] = str(self.frozen)
        if clock is not None:
            environment["FAULTS_CLOCK"] = str(clock)
        return Program("edge", [*(self.cable.prefix if self.cable else ()), *words], self.folder, environment)

    @property
    def programs(self) -> list[Program]:
        """Broker, viewer, archive if there is one, and edge, in the order in which they are started."""
        return [self.broker, self.viewer, *([self.archive] if self.archive else ()), self.edge]

    def start(self) -> None:
        """Start everything, and wait until frames and events flow and the archive has answered."""
        self.broker.start()
        silent = self.site.persistence != "ours" or self.site.brokers == "nats"
        wait_for(lambda: silent or "listens" in self.broker.log, START_WITHIN_S, "broker starts")
        self._stack.enter_context(self.subscriber)
        self.viewer.start()
        if self.archive:
            self.archive.start()
            wait_for(lambda: self._archive_is_ready, START_WITHIN_S, "the archive receives events")
        began = time.time()
        self.edge.start()
        wait_for(self.flowing_since(began), START_WITHIN_S, "frames and events flow after the start")
        self.started_s = time.time() - began
        # Memory that is taken once, such as the network's for a second picture at a time, is taken now.
        self.subscriber.ask("detect", (EXAMPLES / "thumbnail.jpg").read_bytes())

    def promised(self) -> dict[Key, str]:
        """Every event that the outbox has taken so far."""
        file = self.folder / "committed"
        return read_promises(file.read_text()) if file.exists() else {}

    def flowing_since(self, moment: float) -> Callable[[], bool]:
        """A condition: newer frames of each camera and a newer event came, and the archive stored more."""
        since_us = moment * 1e6

        def flowing() -> bool:
            heard = self.subscriber
            frames = all(heard.frames.get(camera, 0) > since_us for camera in CAMERAS)
            stored = any(at > moment for _, at in heard.archived.values())
            return frames and heard.event_us > since_us and stored

        return flowing

    def drain(self) -> float:
        """Pause the cameras, and wait until the archive has every event; the seconds that took."""
        begin = time.monotonic()
        last, since = -1, 0.0

        def done() -> bool:
            nonlocal last, since
            count = len(self.promised())
            if count != last:
                last, since = count, time.time()
                self.subscriber.ask("set", b'{"paused": true}')
            return time.time() - since > 1.0 and (self._archived() or self.subscriber.backlog_gone_at > since)

        wait_for(done, DRAIN_WITHIN_S, "the archive has every event")
        if self.database:  # the mark that was waited for may have been the viewer's
            wait_for(self._all_in_database, DRAIN_WITHIN_S, "the database has every event")
        self._wait_for_receivers()
        return time.monotonic() - begin

    def _archived(self) -> bool:
        """Whether the archive has acknowledged all events of every boot."""
        newest: dict[str, int] = {}
        for key in self.promised():
            newest[key.boot] = max(newest.get(key.boot, 0), key.number)
        return all(self.subscriber.archived_through(boot) >= number for boot, number in newest.items())

    @property
    def _archive_is_ready(self) -> bool:
        assert self.archive is not None
        return "this worker leads" in self.archive.log and "receives events" in self.archive.log

    def _all_in_database(self) -> bool:
        return set(self.promised()) <= {one.key for one in self.in_database()}

    def _wait_for_receivers(self) -> None:
        if self.receivers:
            wait_for(self._all_told, TOLD_WITHIN_S, "the receivers have every alert")

    def _all_told(self) -> bool:
        assert self.receivers is not None
        alerts = read_alerts(self.folder / "history.db", NODE)
        return not any(missing(alerts, target, got) for target, got in self.receivers.got().items())

    def _alert_problems(self) -> list[str]:
        if self.receivers is None:
            return []
        alerts, found = read_alerts(self.folder / "history.db", NODE), []
        for target, got in self.receivers.got().items():
            down, dark = self.receivers.down_s, self.receivers.dark
            found += alert_problems(alerts, target, got, down=down, dark=dark, pictures=True)
            with_picture = sum(one.jpeg is not None for one in got)
            say = f"{target}: {len(alerts)} alerts in all, {len(got)} messages, {with_picture} with pictures"
            print(f"  {say}", file=sys.stderr, flush=True)
        return found if alerts else ["no rule made an alert"]

    def in_database(self) -> list[Stored]:
        """The node's events in PostgreSQL, as they were stored one after the other."""
        if self.database is None:
            return []
        seq = "case when type like 'problem%' then null else event ->> 'seq' end"
        columns = f"boot, number, camera, {seq}, event -> 'gap'"
        sql = f"select {columns} from darner_archive.events where node = '{NODE}' order by stored_at, number"  # noqa: S608 - ours
        return read_database(self.database.ask(sql))

    def account(self) -> Account:
        """Judge the run; to be called when all programs have ended."""
        promised = self.promised()
        boots = {key.boot for key in promised}
        arrivals = [arrival for arrival in self.subscriber.arrivals if arrival.key.boot in boots]
        kills, may_miss = self.edge.kills, self.broker.kills > 0
        archive = read_archive(self.folder / "history.db", NODE)
        account = judge(promised, archive, arrivals, kills=kills, may_miss=may_miss)
        if not self.site.small_disk:  # else they may wait for room
            counted, history = read_days(self.disk / "outbox.db"), self.folder / "history.db"
            days = day_problems(counted, history, NODE, self.subscriber.times)
            account = replace(account, problems=(*account.problems, *days))
        covered = {"side": self.camera.coverings} if self.camera else {}
        told = health_problems(read_problems(self.folder / "history.db", NODE), covered)
        account = replace(account, problems=(*account.problems, *self._alert_problems(), *told))
        if self.database is None:
            return account
        there = judge(promised, self.in_database(), arrivals, kills=kills, may_miss=may_miss)
        problems = (*account.problems, *(f"PostgreSQL: {problem}" for problem in there.problems))
        lost, delivered = max(account.lost, there.lost), min(account.delivered, there.delivered)
        return replace(account, lost=lost, delivered=delivered, problems=problems)

    def restart_clients(self) -> None:
        """Start viewer and edge again."""
        self.viewer.start()
        self.edge.start()

    def stop_clients(self) -> float:
        """SIGTERM viewer and edge at the same time; the seconds until both have ended.

        With a full disk the edge ends first: its disk cannot take the events in memory, so the viewer must.
        """
        if self.site.small_disk:
            return max(end_all([self.edge]), end_all([self.viewer]))
        return end_all([self.viewer, self.edge])

    def stop(self) -> float:
        """SIGTERM all three, one after the other; the longest that one of them took, in seconds."""
        took = [end_all([self.edge])]
        newest = max(self.promised())  # a frame that was held back while paused may have brought a last event
        wait_for(
            lambda: self.subscriber.archived_through(newest.boot) >= newest.number,
            START_WITHIN_S,
            "the archive has the edge's last events",
        )
        self._wait_for_receivers()  # and one of these may be an alert
        archives = [self.viewer, *([self.archive] if self.archive else ())]
        return max(*took, end_all(archives), end_all([self.broker]))

    @contextmanager
    def clock_set(self, offset_s: float) -> Iterator[None]:
        """Let the wall clock of edge and viewer be off by `offset_s` seconds."""
        self.set_clock(offset_s)
        try:
            yield
        finally:
            self.set_clock(0.0)

    def set_clock(self, offset_s: float) -> None:
        """Set the offset of the wall clock of edge and viewer."""
        self.clock_offset_s = offset_s
        with self.clock.open("r+b") as file:
            file.write(struct.pack("d", offset_s))


def disk_possible() -> bool:
    """Whether this machine lets us mount a small disk."""
    if not shutil.which("mount"):
        return False
    with tempfile.TemporaryDirectory() as folder:
        for words in (["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], ["umount", folder]):
            if subprocess.run(words, capture_output=True, check=False).returncode != 0:
                return False
    return True
