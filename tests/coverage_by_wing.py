"""Combine what the processes of a test run measured, print it by wing, and fail below the floors.

`make coverage` runs it after the tests; by itself: `python -m tests.coverage_by_wing`. `make test-training`
runs it with `--learning` for the wings that need PyTorch, which `make coverage` has not.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import coverage
import orjson

LEAST = 85.0
"""Percent of the lines and branches of a wing that tests must reach."""
LEAST_OF = {
    "edge_node/assets": 65.0,  # downloads from the network
    "edge_node/backends": 55.0,  # PyTorch and KServe: `make test-engines`
    "edge_node/backends/onnx": 75.0,  # providers for GPUs
    "edge_node/backends/tensorrt": 80.0,  # TensorRT's runtime needs a GPU
    "viewer_server/archive": 25.0,  # PostgreSQL: `make test-integrations`
    "optimization": 80.0,  # GPUs and PyTorch, as in the next three
    "optimization/commands": 70.0,  # ground truth, too, which is not part of the project
    "optimization/graph": 65.0,  # OpenVINO, Core ML and torchvision, too: `make test-engines`
    "optimization/measure": 80.0,
    "optimization/commands/learning": 40.0,  # `train` needs LibreYOLO: `make test-engines`
    "optimization/training": 75.0,  # real models on videos that are not part of the project
    "optimization/training/network": 80.0,  # operators that no model in the tests has
    "optimization/training/nightly": 80.0,
    "optimization/training/trainer": 15.0,  # LibreYOLO: `make test-engines`
}
"""The wings that need more than a plain machine to be tested as a whole."""
LEARNING = ("optimization/training", "optimization/commands/learning")
"""Wings that need PyTorch, with the wings inside them: `make test` skips their tests."""


@dataclass(slots=True)
class Counts:
    """How much of a wing there is, and how much of it ran."""

    lines: int = 0
    lines_run: int = 0
    branches: int = 0
    branches_run: int = 0

    def add(self, summary: dict[str, int]) -> None:
        self.lines += summary["num_statements"]
        self.lines_run += summary["covered_lines"]
        self.branches += summary["num_branches"]
        self.branches_run += summary["covered_branches"]

    @property
    def both(self) -> float:
        """Percent of lines and branches together, as coverage.py counts them."""
        return percent(self.lines_run + self.branches_run, self.lines + self.branches)

    def row(self, name: str) -> str:
        return (
            f"{name:<32}{percent(self.lines_run, self.lines):7.1f}"
            f"{percent(self.branches_run, self.branches):10.1f}{self.both:7.1f}"
        )


def percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 100.0


def by_wing(files: dict[str, dict[str, dict[str, int]]]) -> dict[str, Counts]:
    """Counts by folder, from coverage.py's report of files."""
    wings: dict[str, Counts] = defaultdict(Counts)
    for path, found in files.items():
        wings[Path(path).parent.as_posix()].add(found["summary"])
    return dict(sorted(wings.items()))


def chosen(wings: dict[str, Counts], *, learning: bool) -> dict[str, Counts]:
    """The wings that a run judges: those that learn, or all others."""
    return {
        name: counts
        for name, counts in wings.items()
        if learning == any(name == one or name.startswith(f"{one}/") for one in LEARNING)
    }


def below_floor(wings: dict[str, Counts], whole: Counts, least: float) -> list[str]:
    """One sentence for each wing, and for the whole, that tests reach too little of."""
    floors = {name: LEAST_OF.get(name, LEAST) for name in wings}
    found = [
        f"{name}: {wings[name].both:.1f} % is below {floor:g} %"
        for name, floor in floors.items()
        if wings[name].both < floor
    ]
    if whole.both < least:
        found.append(f"all: {whole.both:.1f} % is below {least:g} %")
    return found


def main(arguments: list[str]) -> int:
    learning = arguments == ["--learning"]
    measured = coverage.Coverage()
    measured.combine()
    measured.save()
    report = Path(str(measured.get_option("run:data_file"))).with_name("report.json")
    measured.json_report(outfile=str(report))
    wings = chosen(by_wing(orjson.loads(report.read_bytes())["files"]), learning=learning)
    whole = Counts()
    for counts in wings.values():
        whole.lines += counts.lines
        whole.lines_run += counts.lines_run
        whole.branches += counts.branches
        whole.branches_run += counts.branches_run
    print(f"{'coverage, percent':<32}{'lines':>7}{'branches':>10}{'both':>7}")
    for name, counts in [*wings.items(), ("all", whole)]:
        print(counts.row(name))
    least = 0.0 if learning else float(str(measured.get_option("report:fail_under")))
    troubles = below_floor(wings, whole, least)
    for trouble in troubles:
        print(f"coverage of {trouble}: add tests, or lower the floor with a reason", file=sys.stderr)
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
