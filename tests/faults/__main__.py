"""`python -m tests.faults`: breaks things under the real programs, and measures what survives.

For each fault, broker, edge node and viewer are started afresh and warmed up. Then the fault is made and
ended, and the checks below are applied. Most faults are then made again, and the programs must end meanwhile.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

from edge_node.assets.samples import find_video
from shared.errors import SourceError
from tests.conftest import SHARED, mosquitto_binary
from tests.faults.processes import FaultError, wait_for
from tests.faults.system import System
from tests.faults.table import Fault, faults

WARM_S = 6.0
QUICK_WARM_S = 3.0
RECOVERED_WITHIN_S = 5.0
RECOVERED_WITHIN_STARTS = 1.5
"""On a slow or busy machine, how much longer than the first start a recovery may take instead."""
NOTICED_WITHIN_S = 20.0
GIVEN_UP_AFTER_S = 90.0
HEAD = (
    "fault",
    "s",
    "made",
    "deliv.",
    "dup.",
    "lost",
    "tracks",
    "noticed",
    "will",
    "recov.",
    "caught up",
    "stop",
    "MB",
    "",
)


@dataclass
class Row:
    """What was measured under one fault, in seconds and megabytes.

    Attributes:
        name: The fault's name.
        says: What was done.
        started_s: How long the edge took to start, until frames and events flowed.
        duration_s: How long the fault lasted.
        produced: Events that the node promised.
        delivered: Events in the archive.
        lost: Events promised that are not in the archive.
        tracks_ended: Tracks whose end an event told the subscriber.
        tracks_lost: Those of which no message of their own told.
        missed: Events that the subscriber never saw; it asks for nothing again.
        archive_repeated: Events that the archive got again and left out.
        subscriber_repeated: Events that the subscriber got again and left out.
        noticed_s: From the fault's beginning until the edge logged that it had lost the broker.
        will_s: From the fault's beginning until the broker published the edge's will.
        recovery_s: From the fault's end until newer frames of each camera and a newer event came, and the
            archive had stored more.
        caught_up_s: How long the archive took to have every event, once no new ones were made.
        stop_s: The longest that a program took to end after SIGTERM, at the end and under the fault.
        growth_mb: Growth of peak memory under the fault, by program.
        failures: The checks that failed.
    """

    name: str
    says: str
    started_s: float | None = None
    duration_s: float = 0.0
    produced: int = 0
    delivered: int = 0
    lost: int = 0
    missed: int = 0
    tracks_ended: int = 0
    tracks_lost: int = 0
    archive_repeated: int = 0
    subscriber_repeated: int = 0
    noticed_s: float | None = None
    will_s: float | None = None
    recovery_s: float | None = None
    caught_up_s: float | None = None
    stop_s: float | None = None
    growth_mb: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def measure(fault: Fault, video: Path, folder: Path, seed: int, *, quick: bool) -> Row:
    """Start everything, make the fault, and check."""
    row = Row(fault.name, fault.says)
    dice = random.Random(f"{seed} {fault.name}")
    try:
        with System(folder, video, fault.site) as system:
            system.start()
            row.started_s = system.started_s
            time.sleep((QUICK_WARM_S if quick else WARM_S) + dice.random())
            _strike(fault, system, dice, row, quick=quick)
            if fault.stop:
                _end_under(fault, system, dice, row)
            row.caught_up_s = system.drain()
            row.stop_s = max(row.stop_s or 0.0, system.stop())
            account = system.account()
            row.archive_repeated = system.viewer.repeated
        row.produced, row.delivered = account.produced, account.delivered
        row.lost, row.missed = account.lost, account.missed
        row.subscriber_repeated = account.repeated
        row.failures += account.problems
        row.failures += system.subscriber.truth.problems
        tracks, kills = system.subscriber.tracks, system.broker.kills + system.edge.kills
        row.tracks_ended, row.tracks_lost = len(tracks.ended), tracks.lost
        row.failures += tracks.problems(
            may_lose=kills > 0 or fault.stop
        )  # a node that stops tells what it can
    except FaultError as error:
        row.failures.append(str(error))
    return row


def _strike(fault: Fault, system: System, dice: random.Random, row: Row, *, quick: bool) -> None:
    """Make the fault, end it, and wait until frames and events flow again."""
    watched = [system.edge, system.viewer]
    for program in watched:
        program.remember_memory()
    began = time.time()
    said = len(system.edge.log)
    with fault.hold(system, dice):
        until = time.time() + ((fault.quick or 0.0) if quick else fault.seconds)
        while True:
            if row.noticed_s is None and "lost the broker" in system.edge.log[said:]:
                row.noticed_s = time.time() - began
            if row.will_s is None and system.subscriber.status[0] == "offline":
                row.will_s = system.subscriber.status[1] - began
            if time.time() > until:
                break
            time.sleep(0.05)
    end = time.time()
    row.duration_s = end - began
    wait_for(system.flowing_since(end), GIVEN_UP_AFTER_S, "frames and events flow after the fault")
    row.recovery_s = time.time() - end
    if row.recovery_s > max(RECOVERED_WITHIN_S, RECOVERED_WITHIN_STARTS * system.started_s):
        row.failures.append(
            f"recovery took {row.recovery_s:.1f} s, over {RECOVERED_WITHIN_S:.0f} s and over "
            f"{RECOVERED_WITHIN_STARTS} times the {system.started_s:.1f} s of the first start"
        )
    if fault.noticed:
        for who, after in (("the edge", row.noticed_s), ("the broker's will", row.will_s)):
            if after is None or after > NOTICED_WITHIN_S:
                row.failures.append(f"{who} did not notice within {NOTICED_WITHIN_S:.0f} s: {after}")
    time.sleep(2.0)  # events left behind are sent now, which may not cost memory either
    for program in watched:
        program.settle()
        row.growth_mb[program.name] = round(program.growth, 1)
        if program.growth > fault.growth_mb:
            row.failures.append(f"the {program.name}'s memory grew by {program.growth:.0f} MB")


def _end_under(fault: Fault, system: System, dice: random.Random, row: Row) -> None:
    """Edge and viewer must end while the fault lasts, and deliver the rest when it is over."""
    with fault.hold(system, dice):
        time.sleep(3.0)
        row.stop_s = system.stop_clients()
    system.restart_clients()
    wait_for(system.flowing_since(time.time()), GIVEN_UP_AFTER_S, "frames and events flow after a new start")


def line(row: Row) -> tuple[str, ...]:
    """The cells of a row."""

    def seconds(value: float | None) -> str:
        return "-" if value is None else f"{value:.1f}"

    times = (row.noticed_s, row.will_s, row.recovery_s, row.caught_up_s, row.stop_s)
    return (
        row.says,
        f"{row.duration_s:.0f}",
        str(row.produced),
        str(row.delivered),
        f"{row.archive_repeated}/{row.subscriber_repeated}",
        str(row.lost),
        f"{row.tracks_ended - row.tracks_lost}/{row.tracks_ended}",
        *map(seconds, times),
        "-" if not row.growth_mb else f"{max(row.growth_mb.values()):.1f}",
        "FAILED" if row.failures else "ok",
    )


def show(rows: list[Row]) -> str:
    """The table, as Markdown."""
    lines = [HEAD, *map(line, rows)]
    widths = [max(len(cells[column]) for cells in lines) for column in range(len(HEAD))]
    texts = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
        for cells in lines
    ]
    texts.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(texts)


def versions() -> dict[str, str]:
    """The versions of what was measured."""
    said = subprocess.run([mosquitto_binary(), "-h"], capture_output=True, text=True, check=False).stdout
    return {
        "mosquitto": said.split("\n")[0].removeprefix("mosquitto version "),
        "python": platform.python_version(),
        "paho": version("paho-mqtt"),
        "kernel": platform.release(),
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the faults; returns 1 when a check failed, else 0."""
    table = faults()
    names = [fault.name for fault in table]
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument(
        "--seed", type=int, default=4, help="decides moments, orders and garbage (%(default)s)"
    )
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument(
        "--quick", action="store_true", help="make faults short, and leave out those that cannot be"
    )
    parser.add_argument("--seconds", type=float, help="how long each fault lasts, instead of its own time")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the measurements there")
    parser.add_argument(
        "--keep", action="store_true", help="keep logs and databases of faults that passed, too"
    )
    given = parser.parse_args(arguments)
    try:
        video = SHARED / "data" / "video" / "vtest.avi"
        video = video if video.is_file() else find_video()
    except SourceError as error:
        parser.error(str(error))
    rows = []
    for fault in table:
        if (given.only and fault.name not in given.only) or (given.quick and fault.quick is None):
            continue
        if fault.lacks:
            print(f"{fault.name}: left out, because this machine lacks {fault.lacks}", file=sys.stderr)
            continue
        fault = replace(fault, seconds=given.seconds) if given.seconds else fault
        folder = Path(tempfile.mkdtemp(prefix=f"darner-faults-{fault.name}-"))
        rows.append(row := measure(fault, video, folder, given.seed, quick=given.quick))
        print(f"{fault.name}: {', '.join(line(row))}", file=sys.stderr, flush=True)
        for failure in row.failures:
            print(f"  FAILED {failure} (see {folder})", file=sys.stderr, flush=True)
        if not row.failures and not given.keep:
            shutil.rmtree(folder)
    about = {"seed": given.seed, "versions": versions()}
    print(show(rows))
    print(f"seed {given.seed}; " + ", ".join(f"{name} {text}" for name, text in about["versions"].items()))
    if given.json:
        given.json.write_text(json.dumps({**about, "faults": [asdict(row) for row in rows]}, indent=2) + "\n")
    failed = [row.name for row in rows if row.failures]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
