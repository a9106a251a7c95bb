"""Fuzzes the readers of bytes from strangers, each for a while: `make fuzz`, `python -m tests.fuzz NAME...`.

It runs in an environment of its own, because Atheris, which watches which code an input reaches, has packages
for few versions of Python. A process per target is started; the first finding ends it, and its input is kept.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
WORK = Path(".cache/fuzz")
"""Where inputs grow; `tests/fuzz/corpus` only holds a few."""
LONGEST = 4096
"""Bytes of an input."""
ROOM, KEPT = 8_000, 12
"""Most bytes, and inputs or so, that are added to a corpus from what has grown."""
_FIGURES = re.compile(rb"#(\d+)\s+(?:DONE|pulse|NEW|REDUCE|RELOAD).*?cov: (\d+) ft: (\d+)")
_PACKAGES = ["shared", "edge_node", "viewer_server", "orjson", "yaml", "json"]


def one(name: str, arguments: list[str]) -> None:
    """Fuzz one target in this process, which ends with it."""
    import atheris  # type: ignore[import-untyped]  # of the environment for fuzzing

    with atheris.instrument_imports(include=_PACKAGES):
        from tests.fuzz.mutate import json_inside
        from tests.fuzz.targets import TARGETS, quiet
    quiet()

    def mutated(data: bytes, longest: int, seed: int) -> bytes:
        changed = json_inside(data, seed) if seed % 2 else None
        return bytes(atheris.Mutate(data, longest)) if changed is None else changed[:longest]

    atheris.Setup([sys.argv[0], *arguments], TARGETS[name], custom_mutator=mutated)
    atheris.Fuzz()


def run(name: str, seconds: float) -> bool:
    """Fuzz one target in a process of its own; print a line about it, and say whether nothing was found."""
    grown, found, log = WORK / name, WORK / "found" / name, WORK / f"{name}.log"
    for folder in (grown, found):
        folder.mkdir(parents=True, exist_ok=True)
    seeds = HERE / "corpus" / name
    limits = [f"-max_total_time={seconds:.0f}", f"-max_len={LONGEST}", "-timeout=10", "-rss_limit_mb=3000"]
    words = [f"-artifact_prefix={found}/", *limits, str(grown), *([str(seeds)] if seeds.is_dir() else [])]
    started = time.monotonic()
    with log.open("wb") as file:
        code = subprocess.run(
            [sys.executable, "-m", "tests.fuzz", "--here", name, "--", *words],
            stderr=file,
            stdout=file,
            check=False,
        ).returncode
    figures = _FIGURES.findall(log.read_bytes())
    runs, edges, features = map(int, figures[-1]) if figures else (0, 0, 0)
    print(
        f"{name:<14} {time.monotonic() - started:5.0f} s {runs:>10} inputs {edges:>6} edges {features:>6} "
        f"features  {'nothing found' if code == 0 else f'FOUND SOMETHING: {log}'}",
        flush=True,
    )
    return code == 0


def keep(name: str) -> None:
    """Copy a few of the inputs that have grown, small to large, into the corpus; each reached new code."""
    grown = sorted(
        (path.read_bytes() for path in (WORK / name).iterdir()), key=lambda data: (len(data), data)
    )
    room = ROOM
    for data in grown[:: max(1, len(grown) // KEPT)]:
        room -= len(data)
        if room > 0:
            (HERE / "corpus" / name / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)


def main() -> int:
    """Fuzz the targets that are named, or all of them, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="targets; default: all of them")
    parser.add_argument("--seconds", type=float, default=300, help="for each (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="add a few inputs that grew to the corpora")
    parser.add_argument("--here", metavar="NAME", help=argparse.SUPPRESS)
    own, rest = _split(sys.argv[1:])
    options = parser.parse_args(own)
    if options.here:
        one(options.here, rest)
        return 0
    from tests.fuzz.targets import TARGETS

    names = options.names or list(TARGETS)
    if unknown := [name for name in names if name not in TARGETS]:
        parser.error(f"no target {', '.join(unknown)}; the targets are: {', '.join(TARGETS)}")
    if options.keep:
        for name in names:
            keep(name)
        return 0
    with contextlib.suppress(KeyboardInterrupt):
        good = [run(name, options.seconds) for name in names]
        return int(not all(good))
    return 130


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """The words before and after ``--``."""
    at = words.index("--") if "--" in words else len(words)
    return words[:at], words[at + 1 :]


if __name__ == "__main__":
    sys.exit(main())
