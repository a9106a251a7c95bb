"""The archive in PostgreSQL: which rate it keeps up with, what an event costs, and how late it is committed.

    python tests/bench/archive.py [--json FILE] [--rates 1000,5000] [--workers 1,2] [--nodes 100]

Real events of many nodes go through a real Mosquitto at QoS 1 to the real archive and a PostgreSQL of its
own, all on this machine, the sender included. An event's latency reaches from its making to the commit of its
row, as PostgreSQL notes it. What counts is that everything that was sent is stored, and acknowledged.
Exit code 1 when 5,000 events a second, or the highest rate that was asked for, are not kept up with.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the repository, when run as a script

from shared.wire import topics
from shared.wire.messages import Event, encode, now_us
from tests.conftest import REPO, MosquittoProcess
from tests.integrations.postgresql import PostgreSql

SLICE_S = 0.02
KEPT_UP_S = 2.0
"""How long after the last event everything must be stored."""
URL = "postgresql://postgres@127.0.0.1:{}/postgres"


@dataclass
class Row:
    """What was measured at one rate, with so many workers.

    Attributes:
        workers: Processes that store.
        rate: Events a second that were wanted.
        sent_per_s: Events a second that were sent.
        stored: Share of the events that were stored when sending had been over for `KEPT_UP_S`.
        lost: Events that were not stored in the end. A real node sends them again; this sender does not.
        acknowledged: Whether the last acknowledgements cover everything.
        p50_ms: Median of the time from an event's making to its commit.
        p99_ms: The same for 99 of 100.
        batch: Events in a transaction, on average.
        broker_us: Processor time of the broker for each event, microseconds.
        archive_us: The same of the archive's processes.
        database_us: The same of PostgreSQL.
        cores: Processors in use, by all but the sender.
        bytes_each: Bytes of an event in the database, with its indexes.
    """

    workers: int
    rate: int
    sent_per_s: float = 0.0
    stored: float = 0.0
    lost: int = 0
    acknowledged: bool = False
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    batch: float = 0.0
    broker_us: float = 0.0
    archive_us: float = 0.0
    database_us: float = 0.0
    cores: float = 0.0
    bytes_each: float = 0.0


class Sender:
    """Nodes on one connection: events as fast as is asked, without any client library.

    Args:
        port: The broker's.
        nodes: How many.
        boot: The boot of all of them.
    """

    def __init__(self, port: int, nodes: int, boot: str) -> None:
        self._names, self._boot = [f"n{number:04}" for number in range(nodes)], boot
        self._numbers = dict.fromkeys(self._names, 0)
        self._turn = self._id = 0
        self._sock = socket.create_connection(("127.0.0.1", port))
        self._sock.sendall(b"\x10\x12\x00\x04MQTT\x04\x02\x0e\x10\x00\x06sender")
        assert self._sock.recv(4) == b"\x20\x02\x00\x00"

    def send(self, count: int) -> None:
        """Send so many events, all nodes in turn, and read what has been acknowledged."""
        self._sock.setblocking(True)
        self._sock.sendall(b"".join(self._packet() for _ in range(count)))
        self._sock.setblocking(False)
        try:
            while self._sock.recv(65_536):
                continue
        except BlockingIOError:
            pass

    def marks(self) -> dict[str, int]:
        """The newest number of each node."""
        return dict(self._numbers)

    def _packet(self) -> bytes:
        node = self._names[self._turn % len(self._names)]
        self._turn += 1
        self._numbers[node] += 1
        payload = encode(_event(node, self._boot, self._numbers[node]))
        topic = topics.EVENTS.path(topics.DEFAULT_PREFIX, node=node, camera="street").encode()
        self._id = self._id % 65_535 + 1
        body = len(topic).to_bytes(2, "big") + topic + self._id.to_bytes(2, "big") + payload
        assert 128 <= len(body) < 16_384
        return bytes((0x32, len(body) & 127 | 128, len(body) >> 7)) + body


def _event(node: str, boot: str, number: int) -> Event:
    now = now_us()
    return Event(
        node=node,
        session=boot,
        published_us=now,
        camera="street",
        seq=number,
        captured_us=now,
        event_id=f"{node}-{boot}-{number}",
        type=("zone_entered", "line_crossed", "zone_exited", "track_ended")[number % 4],
        occurred_us=now,
        track_id=number // 4,
        class_id=0,
        label="person",
        zone=f"zone{number % 8}",
        direction="in" if number % 4 == 1 else None,
        dwell_s=number % 600 / 10,
        snapshot=f"darner/v1/{node}/camera/street/snapshot/{number // 4}",
        box=(0.123456, 0.234567, 0.345678, 0.456789),
        boot=boot,
        number=number,
        oldest=max(1, number - 50),
    )


def send(port: int, nodes: int, boot: str, rate: int, seconds: float) -> None:
    """Send events at an even rate, and print how many there are of each node, as JSON."""
    sender = Sender(port, nodes, boot)
    begin, sent = time.monotonic(), 0
    while (now := time.monotonic() - begin) < seconds:
        due = int(now * rate) - sent
        if due > 0:
            sender.send(due)
            sent += due
        time.sleep(SLICE_S)
    print(
        json.dumps({"sent": sent, "seconds": time.monotonic() - begin, "marks": sender.marks()}), flush=True
    )
    time.sleep(1.0)


@contextmanager
def archive(broker: MosquittoProcess, database: PostgreSql, workers: int) -> Iterator[psutil.Process]:
    """The archive as a process, with its log in the database's folder."""
    settings = (f"mqtt.url={broker.url}", f"archive.workers={workers}")
    words = [word for setting in settings for word in ("--set", setting)]
    process = psutil.Popen(
        [
            sys.executable,
            "-m",
            "viewer_server.archive",
            "--database",
            URL.format(database.port),
            *words,
        ],
        cwd=REPO,
        stderr=subprocess.PIPE,
    )
    try:
        line = b""
        while b"this worker leads" not in line:
            line = process.stderr.readline()
            assert line, "the archive ended"
        time.sleep(1.0)
        yield process
    finally:
        process.terminate()
        process.wait(10)


def cpu_s(process: psutil.Process) -> float:
    """Processor time of a process and all its children, those that have ended too."""
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
        if one is process:
            total += times.children_user + times.children_system
    return total


def measure(broker: MosquittoProcess, database: PostgreSql, row: Row, nodes: int, seconds: float) -> None:
    """Send at one rate, and look what became of it."""
    boot = f"b{row.workers}-{row.rate}-{time.time_ns()}"
    with archive(broker, database, row.workers) as process:
        watched = {
            "broker": psutil.Process(broker.pid),
            "archive": process,
            "database": psutil.Process(database.pid),
        }
        before = {name: cpu_s(one) for name, one in watched.items()}
        words = [str(broker.port), str(nodes), boot, str(row.rate), str(seconds)]
        done = subprocess.run(
            [sys.executable, __file__, "--send", *words], capture_output=True, text=True, check=True, cwd=REPO
        )
        said = json.loads(done.stdout)
        sent: int = said["sent"]
        row.sent_per_s = round(sent / said["seconds"])
        time.sleep(max(0.0, KEPT_UP_S - 1.0))
        of_boot = f"from darner_archive.events where boot = '{boot}'"
        count = f"select count(*) {of_boot}"
        row.stored = int(database.ask(count)) / sent
        used = {name: cpu_s(one) - before[name] for name, one in watched.items()}
        for _ in range(100):
            if int(database.ask(count)) == sent:
                break
            time.sleep(0.2)
        row.lost = sent - int(database.ask(count))
        time.sleep(2.0)
        kept = f"select node, number from darner_archive.boots where boot = '{boot}'"  # noqa: S608
        marks = database.ask(kept).split()
        row.acknowledged = {one.split("|")[0]: int(one.split("|")[1]) for one in marks} == said["marks"]
    row.broker_us, row.archive_us, row.database_us = (
        round(used[name] / sent * 1e6, 1) for name in ("broker", "archive", "database")
    )
    row.cores = round(sum(used.values()) / (said["seconds"] + KEPT_UP_S), 2)
    late = f"""
        select round(p * 1000) from unnest((
            select percentile_cont(array[0.5, 0.99]) within group (order by extract(epoch from
                pg_xact_commit_timestamp(xmin) - to_timestamp((event ->> 'published_us')::bigint / 1e6)))
            {of_boot})) p
    """  # noqa: S608
    row.p50_ms, row.p99_ms = map(float, database.ask(late).split())
    batches = f"select count(distinct xmin::text) {of_boot}"
    row.batch = round(sent / max(1, int(database.ask(batches))), 1)
    total = (
        "select pg_total_relation_size('darner_archive.events')::float8 / count(*) from darner_archive.events"
    )
    row.bytes_each = round(float(database.ask(total)))


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    head = list(asdict(rows[0]))
    lines = [head, ["--"] * len(head)]
    lines += [
        [f"{value:g}" if isinstance(value, float) else str(value) for value in asdict(row).values()]
        for row in rows
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main() -> int:
    """Measure each rate with each number of workers; the exit code."""
    if sys.argv[1:2] == ["--send"]:
        port, nodes, boot, rate_, seconds = sys.argv[2:]
        send(int(port), int(nodes), boot, int(rate_), float(seconds))
        return 0
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rates", default="1000,5000", help="events a second (%(default)s)")
    parser.add_argument("--workers", default="1,2", help="processes that store (%(default)s)")
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the measurements there")
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder, PostgreSql() as database:
        database.ask("alter system set track_commit_timestamp = on")
        database.kill()
        database.start()
        settings = "max_queued_messages 100000\nmax_inflight_messages 1000\n"
        broker = MosquittoProcess(Path(folder), extra=settings)
        broker.start()
        try:
            for workers in map(int, given.workers.split(",")):
                for rate in map(int, given.rates.split(",")):
                    row = Row(workers, rate)
                    measure(broker, database, row, given.nodes, given.seconds)
                    rows.append(row)
                    print(table(rows[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
        finally:
            broker.kill()
    print(f"{os.cpu_count()} processors, {given.nodes} nodes, {given.seconds:g} s at each rate")
    print(table(rows))
    if given.json:
        given.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    wanted = min(5000, max(row.rate for row in rows))
    good = any(row.rate >= wanted and row.stored == 1.0 and row.acknowledged for row in rows)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
