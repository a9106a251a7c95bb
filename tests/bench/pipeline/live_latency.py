"""From capture to a subscriber: a live camera at 25 fps through each pipeline, milliseconds.

    python tests/bench/pipeline/live_latency.py [--json FILE] [--seconds 20] [--rounds 3]

The camera gives a decoded 720p picture every 40 ms and says when. The detector is injected (3 or 8.5 ms, see
`cost.py`) or the built-in model on this processor; a JPEG goes out 5 times a second. The subscriber
is another process on the same machine, behind a real Mosquitto, on the same clock. Exit code 1 when ours
takes longer than the detector and 4 ms at the median, or 8 ms at the 95th percentile.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from tests.bench.pipeline.cost import HERE, PEERS, broker_and_video, python_of, result_of
from tests.bench.pipeline.ours import VIDEO_FPS, WARM
from tests.bench.wire.listener import Listener

LIMITS_MS = {"p50_ms": 4.0, "p95_ms": 8.0}
"""Beyond what the detector itself takes."""


def measure(options: argparse.Namespace) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Runs by detector and pipeline, which take turns."""
    frames = str(round(options.seconds * VIDEO_FPS))
    scripts = {"ours": [sys.executable, str(HERE / "ours.py"), "live"]}
    for peer in () if options.ours else PEERS:
        scripts[peer] = [str(python_of(peer)), "-W", "ignore", str(HERE / "peers.py"), peer]
    runs: dict[str, dict[str, list[dict[str, Any]]]] = {one: {} for one in options.only}
    with broker_and_video() as (folder, broker, video):
        for _ in range(options.rounds):
            for milliseconds in options.only:
                for name, script in scripts.items():
                    if milliseconds == "real" and name != "ours":
                        continue
                    command = [*script, str(video), str(broker.port), milliseconds, frames]
                    command += [] if name == "ours" else ["live"]
                    topic = "darner/v1/bench/camera/c/detections" if name == "ours" else "peer/detections"
                    with Listener(broker.port, topic) as listener:
                        found = result_of(command, folder)
                    ages = [age for _, age in listener.arrived[topic][WARM:]]
                    p50, p95 = np.percentile(ages, [50, 95]).tolist()
                    print(f"{milliseconds:5} {name:12} p50 {p50:7.2f} ms, p95 {p95:7.2f} ms", flush=True)
                    row = found | {"p50_ms": p50, "p95_ms": p95, "arrived": len(ages)}
                    runs[milliseconds].setdefault(name, []).append(row | {"load": os.getloadavg()[0]})
    return runs


def main() -> int:
    """Measure and print; 1 when a limit is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", type=lambda text: text.split(","), default=["3", "8.5", "real"])
    parser.add_argument("--ours", action="store_true", help="leave the others out")
    options = parser.parse_args()
    runs, missed = measure(options), []
    print(f"{'detector':10}{'':13}{'p50 ms':>9}{'p95 ms':>9}{'beyond':>9}{'it':>7}{'arrived':>9}{'load':>7}")
    for milliseconds, by_name in runs.items():
        for name, rounds in by_name.items():
            row = {key: median(one[key] for one in rounds) for key in ("p50_ms", "p95_ms", "arrived", "load")}
            itself = median(one["inference_ms"] for one in rounds) if milliseconds == "real" else None
            itself = float(milliseconds) if itself is None else itself
            beyond = {key: row[key] - itself for key in LIMITS_MS}
            print(
                f"{itself:<10.1f}{name:13}{row['p50_ms']:9.2f}{row['p95_ms']:9.2f}"
                f"{beyond['p50_ms']:+9.2f}{beyond['p95_ms']:+7.2f}{row['arrived']:9.0f}{row['load']:7.1f}"
            )
            if name == "ours":
                missed += [
                    f"{milliseconds}: {key} {beyond[key]:.1f} beyond the detector, at most {limit:g}"
                    for key, limit in LIMITS_MS.items()
                    if beyond[key] > limit
                ]
    if options.json:
        options.json.write_text(json.dumps({"cores": os.cpu_count(), "runs": runs}, indent=2) + "\n")
    for text in missed:
        print(f"limit missed: {text}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
