"""What attackers take from others: 50 browsers, /health and page loads, beside each kind of attack.

python tests/bench/viewer/siege.py [--browsers 50] [--seconds 12] [--attacks half-open:130 ...]
    [--address 127.0.0.1] [--repository FOLDER] [--json FILE]

Browsers are connected before the attack begins. Then every 0.2 s /health is asked for, and every second the
live page with its style sheet. An answer that is not there within 5 s counts as none. `--repository` runs the
viewer of another checkout, to compare. `--address 127.0.0.2` lets the attackers come from another address
than the others.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from tests.bench.viewer.load import producing, serving
from tests.conftest import MosquittoProcess

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[2]
ATTACKS = (
    "none:0", "half-open:130", "half-open:1000", "dripping-head:200", "dripping-body:200", "silent:250",
    "never-reading:200", "pipelining:100", "garbage:300", "handshakes:1000", "tiny-chunks:20", "resets:20",
)  # fmt: skip
PATIENCE_S = 5.0


def took_ms(port: int, *paths: str) -> float | None:
    """Milliseconds for a new connection and its answers; None without one."""
    begin = time.monotonic()
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as connection:
            for path in paths:
                connection.request("GET", path)
                with connection.getresponse() as answer:
                    answer.read()
                    if answer.status != 200:
                        return None
    except (OSError, http.client.HTTPException):
        return None
    return (time.monotonic() - begin) * 1e3


def probe(port: int, every_s: float, until: float, *paths: str) -> list[float | None]:
    """Ask again and again."""
    found = []
    while time.monotonic() < until:
        begin = time.monotonic()
        found.append(took_ms(port, *paths))
        time.sleep(max(0.0, every_s - (time.monotonic() - begin)))
    return found


def summary(found: list[float | None]) -> str:
    """Median and maximum, and how often there was no answer."""
    there = [one for one in found if one is not None]
    missing = len(found) - len(there)
    text = f"{statistics.median(there):.0f} / {max(there):.0f}" if there else "-"
    return text + (f", {missing} of {len(found)} without" if missing else "")


def besiege(port: int, kind: str, count: int, given: argparse.Namespace) -> dict[str, Any]:
    """One attack."""
    warm = 3.0
    clients = subprocess.Popen(
        [sys.executable, str(HERE / "clients.py"), str(port), str(given.browsers), "--warm", str(warm + 2),
         "--seconds", str(given.seconds - 2)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(warm)
    attackers = None
    if count:
        attackers = subprocess.Popen(
            [sys.executable, str(HERE / "attackers.py"), str(port), kind, str(count), "--seconds",
             str(given.seconds), "--address", given.address],
        )  # fmt: skip
    time.sleep(1.0)
    until = time.monotonic() + given.seconds - 2
    pages: list[float | None] = []
    loader = threading.Thread(target=lambda: pages.extend(probe(port, 1.0, until, "/", "/static/style.css")))
    loader.start()
    healths = probe(port, 0.2, until, "/health")
    loader.join()
    out, _ = clients.communicate(timeout=60)
    if attackers is not None:
        attackers.wait()
    seen = json.loads(out) if out else {"failed": "crashed"}
    return {
        "attack": kind if not count else f"{kind} {count}",
        "health_ms": summary(healths),
        "page_ms": summary(pages),
        "fps_min": seen.get("fps_min"),
        "fps_mean": seen.get("fps_mean"),
        "age_p99_ms": seen.get("age_p99_ms"),
        "failed": seen.get("failed"),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--browsers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--attacks", nargs="*", default=list(ATTACKS), metavar="KIND:COUNT")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--repository", type=Path, default=REPO)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    own, rest = cpus[:1], cpus[1:] or cpus
    os.sched_setaffinity(0, rest)
    results = []
    print("| attack | /health, p50 / max ms | page | fps, least / mean | age p99 ms | viewer MB |")
    print("| -- | -- | -- | -- | -- | -- |")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DARNER_STATE"] = folder
        broker = MosquittoProcess(Path(folder))
        broker.start()
        try:
            with producing(broker.url):
                for attack in given.attacks:
                    kind, _, count = attack.partition(":")
                    with serving("darner", broker.url, own, given.repository, browsers=100) as (port, worker):
                        result = besiege(port, kind, int(count or 0), given)
                        result["viewer_mb"] = round(worker.memory_info().rss / 1e6)
                    results.append(result)
                    print(
                        "| {attack} | {health_ms} | {page_ms} | {fps_min} / {fps_mean} | {age_p99_ms} | "
                        "{viewer_mb} |".format_map(result)
                        + (f" {result['failed']}" if result["failed"] else ""),
                        flush=True,
                    )
        finally:
            broker.kill()
    if given.json:
        given.json.write_text(json.dumps({"load": os.getloadavg(), "results": results}, indent=1))


if __name__ == "__main__":
    main()
