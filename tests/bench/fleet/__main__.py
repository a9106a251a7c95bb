"""Runs a simulated fleet, and prints where it gives way.

    python -m tests.bench.fleet [--nodes 1000] [--rates 200,500,1000] [--seconds 20] [--kills broker,viewer]

All nodes speak the real contract from one process: retained state after each connect, metrics every 5 s,
everything retained again once a minute, and events through an outbox that counts on the archive's
acknowledgements. With each event its zone and the camera's count are published anew. `--watched` cameras also
send detections and pictures. Broker and viewer are real, with the project's own broker configuration.

Of each rate it prints how old an event is when a browser has it, how long its way to the archive and back
takes, and the processor time of each program. The knee is the last rate at which 99 % of both took less than
half a second and every event was stored. After a kill it prints how long until every node is online again,
the viewer shows each of them, and no event waits. Exit code 1: an event was lost, or the first rate is
beyond the knee.
"""

from __future__ import annotations

import argparse
import os
import signal
import ssl
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.bench.fleet.driver import Driver
from tests.bench.fleet.node import Node, Tally, names
from tests.bench.fleet.programs import System, own_files
from tests.bench.fleet.run import Run
from viewer_server.live.hub import MAX_WATCHED


def main() -> int:
    """Run and print; 1 when an event was lost, or already the first rate is too much."""
    options = _options()
    own_files()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the programs end, too
    with ExitStack() as stack:
        folder = options.keep or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="darner-fleet-"))
        )
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)  # Mosquitto, started by root, reads it as another user
        system = System(folder, options.nodes, tls=options.tls, first=options.first, watched=options.watched)
        stack.callback(system.stop)
        system.start()
        tls = ssl.create_default_context(cafile=system.ca) if options.tls else None
        tally = Tally()
        nodes = [Node(name, tally) for name in names(options.nodes)]
        driver = Driver(nodes, ("127.0.0.1", system.broker_port), tls)
        stack.callback(driver.stop)
        run = Run(system, driver, tally, options)
        return run.all()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.fleet",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    numbers = _numbers
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument(
        "--rates", type=numbers, default=[200.0, 500.0, 1000.0], help="events a second, of all"
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each rate lasts")
    parser.add_argument("--connects", type=float, default=500.0, help="connections a second at the start")
    parser.add_argument("--kills", type=_words, default=["broker"], help="broker, viewer, both, or none")
    parser.add_argument("--down", type=float, default=1.0, help="seconds until what was killed starts again")
    parser.add_argument(
        "--watched",
        type=int,
        default=0,
        help="cameras at which the browser looks: they send detections and pictures",
    )
    parser.add_argument("--fps", type=float, default=10.0, help="detections a second of those")
    parser.add_argument("--tls", action="store_true", help="encrypt all connections")
    parser.add_argument(
        "--first",
        choices=["", "names"],
        default="names",
        help="what the browser asks for: names and then 200 nodes, as a page does, or everything at once",
    )
    parser.add_argument("--keep", type=Path, help="new folder, in which logs and data stay")
    options = parser.parse_args()
    if options.keep is not None and options.keep.exists():
        parser.error(
            f"--keep {options.keep}: there is something already, and data of another run would be mixed up"
        )
    if not 1 <= options.nodes <= 19_000:
        parser.error("--nodes: from 1 to 19000; there is a port for each, and a file")
    if not 0 <= options.watched <= min(options.nodes, MAX_WATCHED):
        parser.error(f"--watched: at most {MAX_WATCHED}, and not more than --nodes; each has one camera")
    for name in ("rates", "seconds", "connects", "fps"):
        given = getattr(options, name)
        if min(given if isinstance(given, list) else [given]) <= 0:
            parser.error(f"--{name}: more than 0")
    return options


def _numbers(text: str) -> list[float]:
    return [float(one) for one in text.split(",")]


def _words(text: str) -> list[str]:
    words = [one for one in text.split(",") if one != "none"]
    if unknown := set(words) - {"broker", "viewer"}:
        raise argparse.ArgumentTypeError(f"{sorted(unknown)[0]!r}: use broker, viewer, or none")
    return words


if __name__ == "__main__":
    os.environ.setdefault("DARNER_STATE", tempfile.gettempdir())
    sys.exit(main())
