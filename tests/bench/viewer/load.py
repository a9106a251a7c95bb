"""How many browsers one viewer process serves, beside a plain flask-sock broadcast, in one run.

python tests/bench/viewer/load.py [--browsers 50 100 200 ...] [--seconds 10] [--json FILE]
python tests/bench/viewer/load.py --minutes 30      # memory over time instead, with --browsers N

Each frame is a JPEG of 30 KB and 1 KB of JSON, 15 times a second, through a real Mosquitto. A number of
browsers holds when none of them gets fewer than 14.5 frames a second and the p99 of the age (from before the
frame was handed to MQTT until its last byte was read) is at most 150 ms.

The server is pinned to the first processor; broker, producer and the browsers share the others, and their
delays are counted as the server's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from shared.wire import topics
from shared.wire.messages import DetectedObject, DetectionsMessage, encode, now_us
from tests.conftest import MosquittoProcess, free_port, wait_for_port
from tests.viewer_server.fake_edge import FakeEdge

REPO = Path(__file__).resolve().parents[3]
FPS = 15
JPEG_BYTES = 30_000
LOWEST_FPS, HIGHEST_P99_MS = 14.5, 150.0
Result = dict[str, Any]


def jpeg() -> bytes:
    """A real picture of very nearly 30 KB."""
    rng = np.random.default_rng(1)
    small = rng.integers(0, 255, (36, 64, 3), np.uint8)
    image = cv2.GaussianBlur(cv2.resize(small, (640, 360)), (0, 0), 2)
    image = np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)
    sizes = {}
    for quality in range(20, 100):
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        sizes[quality] = data.tobytes()
    return min(sizes.values(), key=lambda data: abs(len(data) - JPEG_BYTES))


def boxes(seq: int, edge: FakeEdge) -> bytes:
    """A detections message of about 1 KB: four objects."""
    found: list[DetectedObject] = [
        {
            "track_id": number,
            "class_id": 0,
            "label": "person",
            "score": 0.87,
            "box": (0.12345, 0.23456, 0.34567, 0.45678),
            "age_s": 4.2,
            "velocity": (0.01234, 0.02345),
            "speed_m_s": None,
            "predicted": False,
            "zones": ["square"],
        }
        for number in range(4)
    ]
    return encode(
        DetectionsMessage(
            node=edge.node,
            session=edge.session,
            published_us=now_us(),
            camera="yard",
            seq=seq,
            captured_us=now_us(),
            width=1280,
            height=720,
            timings_ms={"infer": 12.0, "decode": 0.4, "track": 0.6},
            dropped=0,
            objects=found,
            main_track_id=1,
        )
    )


@contextmanager
def producing(url: str) -> Iterator[None]:
    """Frames on the broker until the end of the block."""
    stop = threading.Event()
    picture = jpeg()

    def run(edge: FakeEdge) -> None:
        start, seq = time.monotonic(), 0
        while not stop.wait(max(0.0, start + seq / FPS - time.monotonic())):
            edge.client.publish(
                topics.DETECTIONS, edge.path(topics.DETECTIONS, camera="yard"), boxes(seq, edge)
            )
            edge.picture("yard", seq, picture)
            seq += 1

    with FakeEdge(url) as edge:
        edge.announce("yard")
        thread = threading.Thread(target=run, args=(edge,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@contextmanager
def serving(
    kind: str, url: str, cpus: list[int], repository: Path = REPO, browsers: int = 400
) -> Iterator[tuple[int, psutil.Process]]:
    """A server on processors of its own; its port and its worker."""
    port = free_port()
    broker_port = url.rpartition(":")[2]
    command = {
        "darner": [
            *("-m", "viewer_server", "--set", f"mqtt.url={url}", "--set", f"http.port={port}"),
            *("--set", f"http.max_browsers={browsers}", "--set", "history.path=null"),
        ],
        "plain": [str(REPO / "tests/bench/viewer/plain_flask_sock.py"), str(port), broker_port],
    }[kind]
    server = subprocess.Popen(
        ["taskset", "-c", ",".join(map(str, cpus)), sys.executable, *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=repository,
    )
    try:
        wait_for_port(port)
        time.sleep(1.0)
        worker = psutil.Process(server.pid).children()[0]
        yield port, worker
    finally:
        server.terminate()
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            psutil.Process(server.pid).children()[0].kill()
            server.kill()


def measure(
    port: int, worker: psutil.Process, count: int, seconds: float, warm: float, *options: str
) -> Result:
    """What `count` browsers saw."""
    command = [sys.executable, str(REPO / "tests/bench/viewer/clients.py"), str(port), str(count)]
    clients = subprocess.Popen(
        [*command, "--warm", str(warm), "--seconds", str(seconds), *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    time.sleep(warm)
    before = sum(worker.cpu_times()[:2])
    time.sleep(seconds * 0.8)
    cpu = (sum(worker.cpu_times()[:2]) - before) / (seconds * 0.8)
    try:
        out, _ = clients.communicate(timeout=seconds + 60)
    except subprocess.TimeoutExpired:
        clients.kill()
        return {"browsers": count, "failed": "the browsers did not come to an end"}
    result: Result = json.loads(out) if out else {"browsers": count, "failed": "the browsers crashed"}
    result["server_cpu"] = round(cpu, 2)
    result["server_mb"] = round(worker.memory_info().rss / 1e6)
    result["holds"] = (
        "failed" not in result
        and result["fps_min"] >= LOWEST_FPS
        and (result["age_p99_ms"] or 0) <= HIGHEST_P99_MS
    )
    print(json.dumps(result), flush=True)
    return result


def climb(kind: str, url: str, cpus: list[int], counts: list[int], seconds: float) -> list[Result]:
    """More and more browsers, up to the first number that does not hold twice in a row."""
    results = []
    for count in counts:
        options = ["--inflate", "3"] if kind == "plain" else []
        for _ in range(2):
            with serving(kind, url, cpus) as (port, worker):
                result = measure(port, worker, count, seconds, 4 + count / 100, *options)
            results.append({"server": kind, **result})
            if result["holds"]:
                break
        else:
            break
    return results


def beside_one_that_never_reads(url: str, cpus: list[int], count: int, seconds: float) -> list[Result]:
    """The same browsers without and with one more, which asks for frames and reads nothing."""
    results = []
    for stuck in ("0", "1", "0", "1"):
        with serving("darner", url, cpus) as (port, worker):
            result = measure(port, worker, count, seconds, 5, "--never-reading", stuck)
        results.append({"server": "darner", "never_reading": int(stuck), **result})
    return results


def watch_memory(url: str, cpus: list[int], count: int, minutes: float) -> list[Result]:
    """Resident memory of the worker, every 10 s, while browsers come, stay and go."""
    samples: list[Result] = []
    with serving("darner", url, cpus) as (port, worker):
        end = time.monotonic() + minutes * 60
        while time.monotonic() < end:
            span = min(60.0, max(5.0, end - time.monotonic()))
            result = measure(port, worker, count, span, 4)
            samples.append({"at_min": round(minutes - (end - time.monotonic()) / 60, 1), **result})
    memory = [sample["server_mb"] for sample in samples]
    print(f"memory: first {memory[0]} MB, last {memory[-1]} MB, most {max(memory)} MB")
    return samples


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--browsers", type=int, nargs="*", default=[100, 150, 200, 250, 300])
    parser.add_argument("--plain", type=int, nargs="*", default=[10, 20, 25, 30, 40])
    parser.add_argument(
        "--beside", type=int, default=100, help="browsers beside one that never reads; 0: not"
    )
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--minutes", type=float, help="watch memory for so long instead")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    own, rest = cpus[:1], cpus[1:] or cpus
    os.sched_setaffinity(0, rest)  # and so for all that this starts, but the server
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DARNER_STATE"] = folder
        broker = MosquittoProcess(Path(folder))
        broker.start()
        try:
            with producing(broker.url):
                if arguments.minutes:
                    results = watch_memory(broker.url, own, arguments.browsers[0], arguments.minutes)
                else:
                    results = climb("plain", broker.url, own, arguments.plain, arguments.seconds)
                    results += climb("darner", broker.url, own, arguments.browsers, arguments.seconds)
                    if arguments.beside:
                        results += beside_one_that_never_reads(
                            broker.url, own, arguments.beside, arguments.seconds
                        )
        finally:
            broker.kill()
    for kind in ("plain", "darner"):
        climbed = [r for r in results if r.get("server") == kind and "never_reading" not in r]
        held = [r["browsers"] for r in climbed if r["holds"]]
        if held:
            print(f"{kind}: {max(held)} browsers hold")
    if arguments.json:
        arguments.json.write_text(json.dumps({"load": os.getloadavg(), "results": results}, indent=1))


if __name__ == "__main__":
    main()
