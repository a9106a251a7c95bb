"""Hours of work in minutes: broker, edge node, viewer and browsers at a high rate, watched for what creeps.

    python tests/bench/soak/__main__.py [--minutes 30] [--cameras 8] [--every 5] [--json FILE]

The cameras are looped video files at the speed they were filmed, 10 pictures a second each, every one a JPEG.
Take as many as the machine holds: 8, the default, keep 1.3 of two x86-64 cores busy, beside the clients here.
Two browsers take every frame; a visitor opens the page's websocket, asks the API for what was, and leaves,
every few seconds. Every 5 s memory, descriptors and threads of each program are read; every few minutes, and
at the end, there is a table.

What comes before every cache is full is not judged: a tenth of the time, at least a minute, and until 1,000
events and 200 best pictures have come (then the viewer's page caches are full), at most half the time. Then:

- anonymous memory of a program, as least squares over the time see it, may rise by 3 %. File-backed and
  shared memory is told apart and not judged: the kernel can have it back;
- descriptors and threads, their median over a quarter, may not rise from the first quarter to the last;
- the age of what arrives, its median over a quarter, may not rise by a fifth;
- cameras must hold their pace, and every event and best picture that was made must have arrived at a
  subscriber and be stored by the viewer.

Exit code 1 when one of them does not hold.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from edge_node.assets.samples import find_video
from tests.bench.detector.family import KINDS, Family
from tests.bench.soak.clients import Browser, Subscriber, Visitor, viewer_counters
from tests.conftest import REPO, MosquittoProcess, free_port, wait_for_port

FPS = 10.0
"""Of the demo video."""
EVERY_S = 5.0
MEMORY_SHARE = 0.03
LATENCY_SHARE = 0.2
PACE_SHARE = 0.98
WARM_EVENTS, WARM_SNAPSHOTS = 1000, 200
DRAIN_S = 20.0
Row = dict[str, float]


def _start(module: str, config: dict[str, Any], folder: Path, stack: ExitStack) -> subprocess.Popen[bytes]:
    file = folder / f"{module}.yaml"
    file.write_text(yaml.safe_dump(config))
    log = stack.enter_context((folder / f"{module}.log").open("w"))
    command = [sys.executable, "-m", module, "--config", str(file)]
    process = subprocess.Popen(command, cwd=REPO, stdout=log, stderr=log)
    stack.callback(process.wait, 20)
    stack.callback(process.terminate)
    return process


def _edge(url: str, cameras: int, folder: Path) -> dict[str, Any]:
    camera = {
        "source": str(find_video()),
        "loop": True,
        "detect_every": 4,
        "thumbnail": {"fps": FPS},
        "zones": {"all": {"polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}},
        "lines": {"middle": {"points": [[0.5, 0], [0.5, 1]]}},
    }
    return {
        "node": "soak",
        "mqtt": {"url": url},
        "cameras": {f"c{number}": camera for number in range(cameras)},
        "outbox": {"path": str(folder / "outbox.db")},
    }


def run(minutes: float, cameras: int, every: float) -> tuple[list[Row], dict[str, float]]:
    """Let it run; a row every 5 s, and totals."""
    rows: list[Row] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = MosquittoProcess(folder)
        broker.start()
        stack.callback(broker.kill)
        subscriber = stack.enter_context(Subscriber(broker.url))
        port = free_port()
        history = folder / "history.db"
        settings = {"mqtt": {"url": broker.url}, "http": {"port": port}, "history": {"path": str(history)}}
        viewer = _start("viewer_server", settings, folder, stack)
        wait_for_port(port, 60)
        edge = _start("edge_node", _edge(broker.url, cameras, folder), folder, stack)
        families = {"edge": Family(edge.pid), "viewer": Family(viewer.pid), "broker": Family(broker.pid)}
        browsers, visitor = [Browser(port), Browser(port)], Visitor(port)
        for client in (*browsers, visitor):
            client.start()
        subscriber.wait_for_frames(60)
        started, told = time.monotonic(), 0.0
        before, began = subscriber.detections, started
        while time.monotonic() - started < minutes * 60:
            time.sleep(EVERY_S)
            rows.append(_sample(families, subscriber, started))
            if rows[-1]["s"] >= told + every * 60:
                told = rows[-1]["s"]
                print(table(rows), flush=True)
        seen, took = subscriber.detections - before, time.monotonic() - began
        edge.terminate()
        edge.wait(20)
        totals = subscriber.totals(history, DRAIN_S)
        totals["pictures a second"] = seen / took
        totals["pace"] = seen / took / (cameras * FPS)
        totals["frames to a browser"] = min(browser.frames for browser in browsers)
        totals |= {"visits": visitor.visits, "visits failed": visitor.failed} | viewer_counters(port)
    return rows, totals


def _sample(families: dict[str, Family], subscriber: Subscriber, started: float) -> Row:
    row = {"s": round(time.monotonic() - started, 1), "age_ms": subscriber.take_age()}
    row |= {"detections": subscriber.detections, "lost": subscriber.lost}
    row |= {"events": subscriber.events, "snapshots": subscriber.snapshots}
    for name, family in families.items():
        row |= {f"{name} {what}": value for what, value in family.read().items()}
    return row


def judged(rows: list[Row]) -> list[Row]:
    """Those after everything that fills has filled."""
    end = rows[-1]["s"]
    warm_s = max(60.0, end / 10)
    for row in rows:
        full = row["events"] >= WARM_EVENTS and row["snapshots"] >= WARM_SNAPSHOTS
        if row["s"] >= end / 2 or (full and row["s"] >= warm_s):
            return rows[rows.index(row) :]
    return rows


def _ends(rows: list[Row], name: str) -> tuple[list[float], list[float]]:
    """A column's first and last quarter."""
    quarter = max(1, len(rows) // 4)
    return [row[name] for row in rows[:quarter]], [row[name] for row in rows[-quarter:]]


def _slope(rows: list[Row], name: str) -> tuple[float, float]:
    """Least squares: a column's rise a second, and its value at the first row."""
    if len(rows) < 2:
        return 0.0, rows[0][name]
    since = [row["s"] - rows[0]["s"] for row in rows]
    slope, base = np.polyfit(since, [row[name] for row in rows], 1)
    return float(slope), float(base)


def table(rows: list[Row]) -> str:
    """What is known by now of each program, with its anonymous memory in the first and the last quarter."""
    kept, last = judged(rows), rows[-1]
    columns = "anonymous_MB then MB/h file_MB shared_MB descriptors threads cpu_%".split()
    lines = [f"{last['s'] / 60:6.1f} min " + "".join(f"{column:>14}" for column in columns)]
    for name in ("edge", "viewer", "broker"):
        first, end = (float(np.median(part)) for part in _ends(kept, f"{name} anonymous MB"))
        hourly = _slope(kept, f"{name} anonymous MB")[0] * 3600
        cpu = 100 * (last[f"{name} cpu s"] - rows[0][f"{name} cpu s"]) / max(1.0, last["s"] - rows[0]["s"])
        pages = [last[f"{name} {kind}"] for kind in list(KINDS.values())[1:]]
        counts = [last[f"{name} descriptors"], last[f"{name} threads"], cpu]
        cells = [f"{value:14.1f}" for value in (first, end, hourly, *pages)] + [f"{n:14.0f}" for n in counts]
        lines.append(f"{name:11}" + "".join(cells))
    young, old = (float(np.nanmedian(part)) for part in _ends(kept, "age_ms"))
    lines.append(
        f"age {young:.1f} ms, then {old:.1f}; detections {last['detections']:.0f}, lost {last['lost']:.0f}; "
        f"events {last['events']:.0f}; best pictures {last['snapshots']:.0f}; "
        f"judged from {kept[0]['s'] / 60:.1f} min on"
    )
    return "\n".join(lines)


def judge(rows: list[Row], totals: dict[str, float]) -> list[str]:
    """What crept or is missing, in words."""
    kept, problems = judged(rows), []
    for name in rows[0]:
        first, last = _ends(kept, name)
        if name.endswith("anonymous MB"):
            slope, base = _slope(kept, name)
            growth = slope * (kept[-1]["s"] - kept[0]["s"]) / base
            if growth > MEMORY_SHARE:
                problems.append(f"{name}: grew by {growth:.1%}, {slope * 3600:.1f} MB an hour")
        elif name.endswith(("descriptors", "threads")) and np.median(last) > np.median(first):
            problems.append(f"{name}: from {np.median(first):g} to {np.median(last):g}")
        elif name == "age_ms" and np.nanmedian(last) > np.nanmedian(first) * (1 + LATENCY_SHARE):
            problems.append(f"latency: from {np.nanmedian(first):.0f} to {np.nanmedian(last):.0f} ms")
    if totals["pace"] < PACE_SHARE:
        problems.append(f"the cameras ran at {totals['pace']:.1%} of their pace: too many for this machine")
    for what in ("events", "best pictures"):
        made = totals[f"{what} made"]
        missing = {where: made - totals[f"{what} {where}"] for where in ("arrived", "stored")}
        problems += [
            f"{count:.0f} of {made:.0f} {what} not {where}" for where, count in missing.items() if count
        ]
    if totals["visits failed"]:
        problems.append(f"{totals['visits failed']:.0f} of {totals['visits']:.0f} visits failed")
    return problems


def main() -> int:
    """Run, print what was seen, and judge it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--every", type=float, default=5.0, help="minutes between two tables")
    parser.add_argument("--json", type=Path, help="write every row, totals and problems there")
    options = parser.parse_args()
    rows, totals = run(options.minutes, options.cameras, options.every)
    problems = judge(rows, totals)
    print(table(rows))
    for name, value in totals.items():
        print(f"{name:24} {value:12.{0 if value == int(value) else 2}f}")
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "totals": totals, "problems": problems}) + "\n")
    for problem in problems:
        print(f"crept: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
