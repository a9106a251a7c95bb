"""What a pipeline costs beside the detector alone, and beside what people would use instead.

    python tests/bench/pipeline/cost.py [--json FILE] [--frames 1500] [--rounds 3] [--only 1,3,8.5,real]

A 720p video goes through each pipeline as fast as it will: decoding, detector, 18 tracked objects, JSON over
MQTT for every frame and a JPEG of 320x180 at 5 a second. The detector is injected: real outputs after 1, 3 or
8.5 ms in which it leaves the processor alone, as an accelerator does; or it is the built-in model on this
processor. At 1 ms, decoded pictures come from memory: two cores cannot decode a thousand of them a second and
do everything else, and where a detector is that fast, another chip decodes. The others are left out there.
Each pipeline has a process of its own; they take turns, and medians are compared.

"Bare" is a loop of nothing but the detector on one thread: of the injected one its runs alone, which no
pipeline can beat; of the real one letterbox, network and decoding of one picture in memory, as all three are
the processor's work. Decoding the video, tracking and sending come on top of it there, on the same cores: the
rate of the network alone is shown as well.

The others are the loops of their packages' tutorials on one thread, with OpenCV's own threads off, which is
in their favour here. Exit code 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import cv2

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from edge_node.assets.samples import find_video
from tests.bench.detector.peers import PACKAGE as ULTRALYTICS
from tests.bench.tracker.peers import PACKAGES, environment
from tests.conftest import MosquittoProcess

HERE = Path(__file__).resolve().parent
PEERS = {"ultralytics": (ULTRALYTICS, "lap"), "supervision": (PACKAGES["supervision"],)}
"""What each loop needs besides paho."""
DETECTORS = ("1", "3", "8.5", "real")
IN_MEMORY = ("1",)
LEAST_OF_BARE = {"1": 0.9, "3": 0.95, "8.5": 0.97, "real": 0.98}
TIMES_FASTER = {"ultralytics": 3.5, "supervision": 3.2}
"""At 3 ms."""
MOST_CPU = 0.35
"""Of Ultralytics' processor time per frame, at 3 ms."""

Run = dict[str, Any]


def make_video(folder: Path, frames: int = 500) -> Path:
    """The demo video at 1280x720, MPEG-4."""
    source, target = cv2.VideoCapture(str(find_video())), folder / "720p.mp4"
    writer = cv2.VideoWriter(str(target), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (1280, 720))
    for _ in range(frames):
        good, image = source.read()
        if not good:
            break
        writer.write(cv2.resize(image, (1280, 720)))
    writer.release()
    return target


def python_of(peer: str) -> Path:
    """The Python of a peer's own environment, with everything its loop needs."""
    wanted, *others = PEERS[peer]
    python = environment(peer, wanted)
    modules = "; ".join(f"import {name}" for name in (*others, "paho.mqtt.client"))
    if subprocess.run([python, "-c", modules], stderr=subprocess.DEVNULL).returncode:
        subprocess.run([python, "-m", "pip", "install", "--quiet", *others, "paho-mqtt"], check=True)
    return python


@contextmanager
def broker_and_video() -> Iterator[tuple[Path, MosquittoProcess, Path]]:
    """A folder, a broker and the video, for as long as the block lasts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = MosquittoProcess(folder)
        broker.start()
        try:
            yield folder, broker, make_video(folder)
        finally:
            broker.kill()


def result_of(command: list[str], folder: Path) -> Run:
    """What a measuring process printed.

    Args:
        command: With its arguments.
        folder: For settings that Ultralytics would write into the home.
    """
    quiet = {"YOLO_CONFIG_DIR": str(folder), "YOLO_VERBOSE": "false", "YOLO_OFFLINE": "true"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=os.environ | quiet, timeout=600)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not lines:
        raise RuntimeError(f"{' '.join(command)} gave no result (exit code {done.returncode})")
    found: Run = json.loads(lines[-1].removeprefix("RESULT "))
    return found


def measure(folder: Path, broker: MosquittoProcess, video: Path, options: argparse.Namespace) -> Run:
    """Every pipeline with every detector in turn: runs by detector and name."""
    rest = [str(video), str(broker.port)]
    ours = [sys.executable, str(HERE / "ours.py")]
    pythons = {} if options.ours else {peer: str(python_of(peer)) for peer in PEERS}
    runs: Run = {milliseconds: {} for milliseconds in options.only}
    for _ in range(options.rounds):
        for milliseconds in options.only:
            frames = str(options.frames if milliseconds != "real" else min(options.frames, 300))
            commands = {
                "bare": [*ours, "bare", *rest, milliseconds, frames],
                "ours": [*ours, "whole", *rest, milliseconds, frames],
            }
            if milliseconds not in ("real", *IN_MEMORY):
                script = ["-W", "ignore", str(HERE / "peers.py")]
                for peer, python in pythons.items():
                    few = str(int(frames) // 3)  # they are slow, and steady
                    commands[peer] = [python, *script, peer, *rest, milliseconds, few, "fast"]
            for name, command in commands.items():
                found = result_of(command, folder) | {"load": os.getloadavg()[0]}
                runs[milliseconds].setdefault(name, []).append(found)
    return runs


def summarise(runs: Run) -> Run:
    """Medians over the rounds by detector and name; ratios within each round, then their median."""
    table: Run = {}
    for milliseconds, by_name in runs.items():
        table[milliseconds] = {}
        for name, rounds in by_name.items():
            numbers = [key for key in rounds[0] if isinstance(rounds[0][key], (int, float))]
            row = {key: median(one[key] for one in rounds) for key in numbers}
            row["of_bare"] = _ratio(rounds, by_name["bare"], "fps")
            if name != "ours" and "ours" in by_name:
                row["ours_faster"] = _ratio(by_name["ours"], rounds, "fps")
                row["ours_cpu"] = _ratio(by_name["ours"], rounds, "cpu_ms")
            table[milliseconds][name] = row
    return table


def _ratio(ours: list[Run], theirs: list[Run], key: str) -> float:
    ratio: float = median(a[key] / b[key] for a, b in zip(ours, theirs, strict=True))
    return ratio


def missed_targets(table: Run) -> list[str]:
    """In words."""
    missed = []
    for milliseconds, rows in table.items():
        ratio, least = rows["ours"]["of_bare"], LEAST_OF_BARE[milliseconds]
        if ratio < least:
            missed.append(f"{milliseconds} ms detector: {ratio:.3f} of the bare loop, wanted {least}")
    for peer, least in TIMES_FASTER.items():
        row = table.get("3", {}).get(peer)
        if row and row["ours_faster"] < least:
            missed.append(f"3 ms detector: {row['ours_faster']:.2f} times {peer}, wanted {least}")
    row = table.get("3", {}).get("ultralytics")
    if row and row["ours_cpu"] > MOST_CPU:
        missed.append(f"CPU per frame: {row['ours_cpu']:.2f} of Ultralytics', wanted at most {MOST_CPU}")
    return missed


def _show(table: Run) -> None:
    columns = ("fps", "of_bare", "cpu_ms", "ours_faster", "ours_cpu", "objects", "jpegs_per_s", "load")
    print(f"{'detector':9}{'':13}" + "".join(f"{column:>13}" for column in columns))
    for milliseconds, rows in table.items():
        for name, row in rows.items():
            cells = "".join(f"{row[key]:13.3f}" if key in row else f"{'':13}" for key in columns)
            print(f"{milliseconds:9}{name:13}{cells}")
        if "network_fps" in rows["bare"]:
            print(f"{milliseconds:9}{'network alone':13}{rows['bare']['network_fps']:13.3f}")


def _detectors(text: str) -> list[str]:
    named = text.split(",")
    unknown = ", ".join(name for name in named if name not in DETECTORS)
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no detector {unknown}: choose of {','.join(DETECTORS)}")
    return named


def main() -> int:
    """Measure and print; 1 when a target is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--frames", type=int, default=1500, help="of ours; a third of it of the others")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", type=_detectors, default=list(DETECTORS))
    parser.add_argument("--ours", action="store_true", help="leave the others out")
    options = parser.parse_args()
    with broker_and_video() as (folder, broker, video):
        runs = measure(folder, broker, video, options)
    table = summarise(runs)
    versions = f"Python {platform.python_version()}, OpenCV {cv2.__version__}, " + ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "onnxruntime", "paho-mqtt")
    )
    peers = ", ".join(wanted for wanted, *_ in PEERS.values())
    print(f"{versions}; {peers}; {os.cpu_count()} cores; medians of {options.rounds} rounds, in turn")
    _show(table)
    if options.json:
        report = {"versions": versions, "peers": peers, "cores": os.cpu_count(), "runs": runs, "table": table}
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    missed = missed_targets(table)
    for text in missed:
        print(f"target missed: {text}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
