"""Count by wing what became of the mutants of `make mutants`, from the files that mutmut leaves."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from pathlib import Path

import orjson
from mutmut.stats import status_by_exit_code

KILLED = {"killed", "timeout", "caught by type check", "segfault"}


def by_wing(folder: Path) -> dict[str, Counter[str]]:
    """How many mutants of each folder ended how; those that did not run are left out."""
    wings: dict[str, Counter[str]] = defaultdict(Counter)
    for path in sorted(folder.rglob("*.py.meta")):
        codes = orjson.loads(path.read_bytes())["exit_code_by_key"].values()
        wing = path.parent.relative_to(folder).as_posix()
        wings[wing].update(status_by_exit_code[code] for code in codes if code is not None)
    return {wing: counts for wing, counts in wings.items() if counts}


def main() -> int:
    wings = by_wing(Path("mutants"))
    print(f"{'mutants':<28}{'all':>7}{'killed':>8}{'survived':>10}{'no test':>9}{'killed, percent':>17}")
    for wing, counts in wings.items():
        killed = sum(count for status, count in counts.items() if status in KILLED)
        whole = sum(counts.values())
        print(
            f"{wing:<28}{whole:>7}{killed:>8}{counts['survived']:>10}{counts['no tests']:>9}"
            f"{100 * killed / whole:>17.1f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
