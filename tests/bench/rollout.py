"""`python -m tests.bench.rollout --nodes 200`: how long plan, apply and rollback take with many nodes.

A process with simulated nodes answers over a real Mosquitto; `darner-fleet` runs as users run it. Prints the
wall time, the processor time and the largest memory of each command.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import REPO, MosquittoProcess
from tests.shared.fleet.simulated import simulated

FOLDER = """\
zones:
  entry: {polygon: [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}
  queue: {polygon: [[0.5, 0], [1, 0], [1, 1], [0.5, 1]], queue: true}
settings: {confidence: 0.4}
"""
BROKER = "max_queued_messages 0\nmax_queued_bytes 0\nmax_inflight_messages 100\n"


def main() -> int:
    """Run the commands and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument(
        "--bounded", action="store_true", help="the broker queues 10,000 messages, as ours does"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="darner-rollout-") as made:
        folder = Path(made) / "folder"
        folder.mkdir()
        (folder / "all.yaml").write_text(FOLDER)
        extra = "max_queued_messages 10000\nmax_queued_bytes 33554432\n" if options.bounded else BROKER
        broker = MosquittoProcess(Path(made), extra=extra)
        broker.start()
        try:
            names = [f"node-{number:05}" for number in range(options.nodes)]
            with simulated(broker.url, "darner/v1", names):
                for words in (
                    ["status"],
                    ["plan", str(folder)],
                    ["apply", str(folder), "--yes", "--pause", "0", "--canary", "0", "--batch", "100%"],
                    ["plan", str(folder)],
                    ["rollback", str(folder), "--yes", "--pause", "0", "--canary", "0", "--batch", "100%"],
                ):
                    _run(words, broker.url, Path(made))
        finally:
            broker.kill()
    return 0


def _run(words: list[str], url: str, state: Path) -> None:
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "shared.fleet", *words, "--broker", url],
        cwd=REPO,
        env={**os.environ, "DARNER_STATE": str(state)},
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    lines = (done.stdout + done.stderr).strip().splitlines()
    print(
        f"{words[0]:<9} exit {done.returncode}  {wall:6.1f} s  processor {cpu:5.1f} s  "
        f"at most {after.ru_maxrss / 1024:.0f} MB  {len(lines)} lines: {lines[-1] if lines else ''}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
