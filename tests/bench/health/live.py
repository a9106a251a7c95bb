"""A real edge node on real RTSP cameras, for minutes: false alarms, faults through an encoder, and the cost.

    python -m tests.bench.health.live [--cameras 16] [--minutes 12] [--fault NAME] [--scene NAME]

One H.264 encoder (GStreamer's RTSP server, 480 pixels wide, 10 pictures a second) serves every camera of the
node. The scene runs all the time. In the middle the node is stopped and started again. At the end the camera
is given a fault for 20 s, and then none. What the node says is read from the broker. The network looks at one
picture in two seconds, so that the machine has time for everything else.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import yaml

from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.wire import messages, topics
from tests.bench.health.faults import FAULTS
from tests.bench.health.inputs import DATA, film, named
from tests.bench.health.scenes import SCENES
from tests.conftest import MosquittoProcess
from tests.edge_node.health.films import Film
from tests.sources.rtsp import rtsp_camera

FPS = 10
FAULT_S = 20.0
_TICKS = os.sysconf("SC_CLK_TCK")


class Told:
    """What the node says of its cameras' health; `with` connects.

    Attributes:
        changes: Each time that it said something: monotonic seconds, the camera, its problems.
    """

    def __init__(self, url: str) -> None:
        self._client = Client(MqttSettings(url=url), name="health-live")
        self.changes: list[tuple[float, str, tuple[str, ...]]] = []
        self.seen: set[str] = set()

    def __enter__(self) -> Told:
        self._client.subscribe(topics.HEALTH.filter(topics.DEFAULT_PREFIX), 1)
        self._client.__enter__()
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.__exit__(None, None, None)

    def _listen(self) -> None:
        for received in self._client.received:
            if received.payload:
                said = messages.decode(messages.Health, received.payload)
                self.changes.append(
                    (time.monotonic(), said.camera, tuple(one.problem for one in said.problems))
                )
                if said.reference_us is not None:
                    self.seen.add(said.camera)

    def between(self, from_s: float, until_s: float) -> list[tuple[float, str, tuple[str, ...]]]:
        """Where something was said to be wrong."""
        return [one for one in self.changes if from_s <= one[0] < until_s and one[2]]


class Pictures:
    """Makes the pictures of the camera, at its rate, in a thread.

    Attributes:
        film: What is shown now.
        began_s: When its film began, monotonic.
    """

    def __init__(self, pipe: Path, what: Film) -> None:
        self._pipe, self.film, self.began_s = pipe, what, time.monotonic()
        threading.Thread(target=self._run, daemon=True).start()

    def show(self, what: Film) -> float:
        """Show something else from now on; when that was, monotonic."""
        self.film, self.began_s = what, time.monotonic()
        return self.began_s

    def _run(self) -> None:
        with self._pipe.open("wb") as out:
            due = time.monotonic()
            while True:
                due = max(due + 1 / FPS, time.monotonic() - 1)
                time.sleep(max(0.0, due - time.monotonic()))
                try:
                    out.write(self.film(time.monotonic() - self.began_s).tobytes())
                except BrokenPipeError:
                    return


@contextmanager
def node(url: str, cameras: list[str], source: str, folder: Path) -> Iterator[int]:
    """A running edge node; its process id."""
    each = {
        "source": source,
        "max_fps": 0.5,
        "thumbnail": {"fps": 0},
        "zones": {"all": {"polygon": [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]}},
    }
    config = folder / "node.yaml"
    own = {
        "node": "live",
        "zones_file": str(folder / "zones.json"),
        "outbox": {"path": str(folder / "outbox.db")},
    }
    config.write_text(
        yaml.safe_dump(
            {**own, "mqtt": {"url": url}, "model": {"threads": 1}, "cameras": dict.fromkeys(cameras, each)}
        )
    )
    command = [sys.executable, "-m", "tests.bench.health.named_node", "--config", str(config)]
    with (folder / "node.log").open("a") as log, subprocess.Popen(command, stderr=log, stdout=log) as process:
        try:
            yield process.pid
        finally:
            process.terminate()
            process.wait(15)


def cpu_s(pid: int) -> dict[str, float]:
    """Seconds of processor time of a process by name of thread, and of all of it."""
    times: dict[str, float] = {"all": 0.0}
    for task in Path(f"/proc/{pid}/task").iterdir():
        name, _, rest = (task / "stat").read_text().partition(" (")[2].rpartition(") ")
        fields = rest.split()
        used = (int(fields[11]) + int(fields[12])) / _TICKS
        name = re.sub(r"[^a-z].*", "", name.lower())
        times[name] = times.get(name, 0.0) + used
        times["all"] += used
    return times


def _print_cost(pid: int, before: dict[str, float], seconds: float, frames: float) -> None:
    after = cpu_s(pid)
    whole, own = after["all"] - before["all"], after.get("health", 0.0) - before.get("health", 0.0)
    print(f"processor time within {seconds:.0f} s: {whole:.1f} s, of it {own:.2f} s by the thread of health")
    print(
        f"that is {100 * own / seconds:.2f} % of a core, and {1e3 * own / frames:.3f} ms a frame", flush=True
    )


class Site:
    """A broker, the cameras' server and who makes their pictures; `stack` ends them."""

    def __init__(self, args: argparse.Namespace, folder: Path, stack: ExitStack) -> None:
        path = next(one for one in named(args.data, 0, 1) if re.search(args.input, one.name))
        pipe = folder / "pictures"
        os.mkfifo(pipe)
        self.base = film(path)
        self.scene = SCENES[args.scene].make(self.base, np.random.default_rng(1))
        self.pictures = Pictures(pipe, self.scene)
        height, width = self.scene(0).shape[:2]
        size = "--width", str(width), "--height", str(height), "--fps", str(FPS)
        self.source = stack.enter_context(rtsp_camera("--pictures", str(pipe), *size)).url
        mosquitto = MosquittoProcess(folder)
        mosquitto.start()
        stack.callback(mosquitto.kill)
        self.broker = mosquitto.url
        self.told = stack.enter_context(Told(self.broker))
        self.cameras = [f"c{n}" for n in range(args.cameras)]

    def fault(self, name: str) -> None:
        """Give the cameras a fault for some time, and print what is said of it."""
        told, count = self.told, len(self.cameras)
        fault_s = self.pictures.show(FAULTS[name].make(self.base, np.random.default_rng(1)))
        time.sleep(FAULT_S)
        back_s = self.pictures.show(self.scene)
        time.sleep(12)
        wrong = told.between(fault_s, back_s)
        first = {camera: at_s - fault_s for at_s, camera, _ in reversed(wrong)}
        well = {camera: at_s - back_s for at_s, camera, what in told.changes if at_s > back_s and not what}
        said = ", ".join(sorted({problem for _, _, what in wrong for problem in what}))
        print(f"{name}: {len(first)} of {count} as {said or 'nothing'} after {_middle(first)}", flush=True)
        print(f"  and gone on {len(well)} after {_middle(well)}", flush=True)


def run(args: argparse.Namespace, folder: Path, stack: ExitStack) -> None:
    """Run it all, and print what came of it."""
    site = Site(args, folder, stack)
    told, cameras, half_s, begun_s = site.told, site.cameras, args.minutes * 30, time.monotonic()
    with node(site.broker, cameras, site.source, folder) as pid:
        _wait(lambda: len(told.seen) == len(cameras), 120, "the node has not taken every view")
        print(f"{len(cameras)} views after {time.monotonic() - begun_s:.1f} s", flush=True)
        before, at_s = cpu_s(pid), time.monotonic()
        time.sleep(half_s)
        spent_s = time.monotonic() - at_s
        _print_cost(pid, before, spent_s, spent_s * FPS * len(cameras))
    again_s = time.monotonic()
    with node(site.broker, cameras, site.source, folder):
        _wait(lambda: {one for at_s, one, _ in told.changes if at_s > again_s} == set(cameras), 120, "gone")
        time.sleep(half_s)
        quiet_s = time.monotonic()
        false, minutes = told.between(begun_s, quiet_s), (quiet_s - begun_s) / 60
        print(f"{args.scene}, {minutes:.1f} minutes x {len(cameras)}, one restart: {len(false)} false alarms")
        for one in false:
            print(f"  {one[1]}: {', '.join(one[2])} after {one[0] - begun_s:.0f} s")
        for name in args.fault:
            site.fault(name)
    for line in (folder / "node.log").read_text().splitlines():
        if re.search("WARN|ERROR|Traceback", line):
            print(line)


def _middle(times: dict[str, float]) -> str:
    return f"{statistics.median(times.values()):.1f} s (at most {max(times.values()):.1f})" if times else "-"


def _wait(ready: Callable[[], bool], within_s: float, why: str) -> None:
    deadline = time.monotonic() + within_s
    while not ready():
        if time.monotonic() > deadline:
            raise SystemExit(why)
        time.sleep(0.2)


def main() -> None:
    """Print what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--input", default="vtest")
    parser.add_argument("--cameras", type=int, default=16)
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--scene", choices=SCENES, default="nothing")
    parser.add_argument("--fault", choices=FAULTS, nargs="*", default=["hand over all", "moved by 5%"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="darner-health-") as folder, ExitStack() as stack:
        run(args, Path(folder), stack)


if __name__ == "__main__":
    main()
