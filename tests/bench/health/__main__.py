"""How soon faults of a camera's picture are noticed, and how often ordinary scenes are taken for faults.

    python -m tests.bench.health [faults | scenes | cost] [--only PATTERN] [--hours 1] [--jobs 2]

Faults (`faults.py`) and ordinary scenes (`scenes.py`) are made up, and laid over videos and photographs; the
tables there are the truth. A node looks at a calm picture once a second, so an hour of film is 3,600
pictures. Scenes in which every picture counts are filmed at 10 a second.

`--hours` is the film for each scene, shared by the inputs; a scene that takes a made-up day has one. `--seed`
makes other scenes and takes other photographs; `--strips FOLDER` keeps pictures of each to look at.
`--save FILE` keeps what was found, a line of JSON each.
"""

from __future__ import annotations

import argparse
import platform
import re
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import msgspec
import numpy as np

from tests.bench.health import measure
from tests.bench.health.cost import cost
from tests.bench.health.faults import FAULTS
from tests.bench.health.inputs import DATA, digest, film, named
from tests.bench.health.made.light import DAY_S
from tests.bench.health.measure import Judged, after_s, at_most
from tests.bench.health.scenes import SCENES

Work = Callable[[], Judged]


def _scenes(names: Sequence[str], paths: Sequence[Path], hours: float, seed: int) -> Iterator[Work]:
    for number, name in enumerate(names):
        some = [paths[number % len(paths)]] if SCENES[name].whole else paths
        for path in some:
            seconds = max(hours * 3600 / len(some), DAY_S if SCENES[name].whole else 0.0)
            yield partial(measure.scene, name, path, seconds, seed)


def _faults(names: Sequence[str], paths: Sequence[Path], seed: int) -> Iterator[Work]:
    return (partial(measure.fault, name, path, seed) for name in names for path in paths)


def _run(work: Sequence[Work], jobs: int, save: Path | None) -> list[Judged]:
    """Do all the work; what goes wrong with one ends it all."""
    done: list[Judged] = []
    with ProcessPoolExecutor(jobs, get_context("fork")) as pool:
        for future in as_completed([pool.submit(one) for one in work]):
            judged = future.result()
            done.append(judged)
            if save is not None:
                with save.open("ab") as file:
                    file.write(msgspec.json.encode(judged) + b"\n")
            print(f"\r{len(done)} of {len(work)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return done


def scene_table(names: Sequence[str], judged: Sequence[Judged]) -> None:
    """Print how often each scene was taken for a fault."""
    print("| scene | hours | false alarms | an hour | at most (95 %) | as | of the time |")
    print("| -- | -- | -- | -- | -- | -- | -- |")
    count, hours = 0, 0.0
    for name in names:
        mine = [one for one in judged if one.name == name]
        false = [problem for one in mine for _, problem in one.alarms if problem not in SCENES[name].may_be]
        hours_here, wrong_s = sum(one.hours for one in mine), sum(one.wrong_s for one in mine)
        count, hours = count + len(false), hours + hours_here
        named_as = ", ".join(f"`{one}`" for one in sorted(set(false)))
        print(
            f"| {name} | {hours_here:.2f} | {len(false)} | {len(false) / hours_here:.2g} | "
            f"{at_most(len(false), hours_here):.2g} | {named_as} | {wrong_s / 36 / hours_here:.2g} % |"
        )
    print(f"| all | {hours:.1f} | {count} | {count / hours:.2g} | {at_most(count, hours):.2g} | | |")


def fault_table(names: Sequence[str], judged: Sequence[Judged]) -> None:
    """Print how soon each fault was noticed."""
    print("| fault | problem | in time | noticed | usually, s | at most, s | also called |")
    print("| -- | -- | -- | -- | -- | -- | -- |")
    for name in names:
        row, mine = FAULTS[name], [one for one in judged if one.name == name]
        times = [time for one in mine if (time := after_s(row, one)) is not None]
        in_time = sum(time <= row.within_s for time in times)
        others = sorted({problem for one in mine for _, problem in one.alarms if problem not in row.problems})
        middle, most = (f"{statistics.median(times):.1f}", f"{max(times):.1f}") if times else ("", "")
        print(
            f"| {name} | {', '.join(f'`{one}`' for one in row.problems)} | {in_time} | "
            f"{len(times)} of {len(mine)} | {middle} | {most} | {', '.join(others)} |"
        )


def _said(judged: Sequence[Judged]) -> None:
    """Print each alarm, with what reproduces it."""
    for one in sorted(judged, key=lambda one: one.name):
        for at_s, problem in one.alarms:
            print(f"{one.name} over {one.over}: {problem} after {at_s:.1f} s", file=sys.stderr)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=("faults", "scenes", "cost"), nargs="?")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--photographs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1, help="which photographs, and when things happen")
    parser.add_argument("--only", default="", help="a regular expression for the names of scenes or faults")
    parser.add_argument("--input", default="", help="the same for names of inputs")
    parser.add_argument("--hours", type=float, default=1.0, help="of film for each scene")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--save", type=Path, help="a file to which what was found is added")
    parser.add_argument("--strips", type=Path, help="a folder for pictures; nothing is judged then")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    paths = [one for one in named(args.data, args.photographs, args.seed) if re.search(args.input, one.name)]
    scenes, faults = ([one for one in rows if re.search(args.only, one)] for rows in (SCENES, FAULTS))
    if args.strips is not None:
        args.strips.mkdir(parents=True, exist_ok=True)
        times = [0.5, 5, 12, 40, 200, 700]
        for name in (*scenes, *faults):
            file = args.strips / f"{re.sub('[^a-z0-9]+', '-', name.lower())}.jpg"
            cv2.imwrite(str(file), measure.strip(name, paths[0], args.seed, times))
        return
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}, OpenCV {cv2.__version__}"
    print(f"{versions}, seed {args.seed}")
    for path in paths:
        film(path)(0)  # read once, before there are processes
    print("over " + ", ".join(f"{path.name} ({digest(path)})" for path in paths) + "\n")
    if args.part in (None, "faults") and faults:
        judged = _run(list(_faults(faults, paths, args.seed)), args.jobs, args.save)
        fault_table(faults, judged)
        _said(
            [one for one in judged if {problem for _, problem in one.alarms} - set(FAULTS[one.name].problems)]
        )
    if args.part in (None, "scenes") and scenes:
        judged = _run(list(_scenes(scenes, paths, args.hours, args.seed)), args.jobs, args.save)
        scene_table(scenes, judged)
        _said(judged)
    if args.part in (None, "cost"):
        cost(args.data)


if __name__ == "__main__":
    main()
