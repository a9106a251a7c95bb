"""`make test-brokers`: what of node and viewer works on which broker, as docs/reference/brokers.md has it."""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import traceback
from pathlib import Path

import pytest

from tests.brokers.kinds import KINDS, Kind
from tests.brokers.trial import CHECKS, YES, Trial
from tests.conftest import REPO, SHARED

PAGE = REPO / "docs" / "reference" / "brokers.md"
BEGIN, END = "<!-- tried -->\n", "<!-- end -->"


def main() -> int:
    """Try everything, print the table; 1 if a broker that has to work does not."""
    parser = argparse.ArgumentParser(prog="python -m tests.brokers", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these brokers")
    parser.add_argument("--write", action="store_true", help="put the table into docs/reference/brokers.md")
    options = parser.parse_args()
    rows: list[tuple[str, str, dict[str, str]]] = []
    for kind in KINDS:
        if options.only and kind.name not in options.only:
            continue
        version = kind.there()
        if version is None:
            print(f"{kind.name}: not installed", flush=True)
            continue
        number = re.search(r"\d[\d.]*", version)
        name = f"{kind.name} {number[0] if number else version}"
        for protocol in ("5", "3.1.1"):
            found = tried(kind, protocol)
            rows.append((name, protocol, found))
            print(f"{name}, MQTT {protocol}: {found}", flush=True)
    print(text := table(rows))
    if options.write:
        page = PAGE.read_text()
        head, _, rest = page.partition(BEGIN)
        PAGE.write_text(head + BEGIN + "\n" + text + "\n" + END + rest.partition(END)[2])
    broken = [row for row in rows if row[0].startswith("Mosquitto") and not fine(row[2])]
    return 1 if broken else 0


def tried(kind: Kind, protocol: str) -> dict[str, str]:
    """What a trial found."""
    video = SHARED / "data" / "video" / "vtest.avi"
    with tempfile.TemporaryDirectory(prefix="darner-brokers-") as folder:
        Path(folder).chmod(0o755)
        try:
            return Trial(kind, protocol, video, Path(folder)).run()
        except (Exception, pytest.fail.Exception):  # noqa: BLE001 - the other brokers are still tried
            traceback.print_exc()
            for log in Path(folder).glob("*.log"):
                print(f"--- {log.name}\n{log.read_text(errors='replace')[-2000:]}", file=sys.stderr)
            return {"connects": "failed"}


def fine(found: dict[str, str]) -> bool:
    """Whether all works."""
    return found == dict.fromkeys(CHECKS, YES)


def table(rows: list[tuple[str, str, dict[str, str]]]) -> str:
    """The table in Markdown."""
    head = f"| broker | MQTT | {' | '.join(CHECKS)} |\n| -- | -- |{' -- |' * len(CHECKS)}\n"
    lines = []
    for name, protocol, found in rows:
        cells = [found.get(check, "") for check in CHECKS]
        lines.append(f"| {name} | {protocol} | {' | '.join(cells)} |\n")
    return head + "".join(lines)


if __name__ == "__main__":
    sys.exit(main())
