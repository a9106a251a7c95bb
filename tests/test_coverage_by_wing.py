from __future__ import annotations

import pytest

from tests.coverage_by_wing import LEAST, LEAST_OF, Counts, below_floor, by_wing, chosen


def summary(lines: int, lines_run: int, branches: int, branches_run: int) -> dict[str, dict[str, int]]:
    return {
        "summary": {
            "num_statements": lines,
            "covered_lines": lines_run,
            "num_branches": branches,
            "covered_branches": branches_run,
        }
    }


def test_files_of_one_folder_are_counted_together_and_folders_in_it_by_themselves() -> None:
    wings = by_wing(
        {
            "edge_node/track/table.py": summary(100, 90, 20, 10),
            "edge_node/track/kalman.py": summary(50, 50, 0, 0),
            "edge_node/node.py": summary(10, 0, 0, 0),
        }
    )
    assert list(wings) == ["edge_node", "edge_node/track"]
    assert wings["edge_node/track"] == Counts(150, 140, 20, 10)
    assert wings["edge_node/track"].both == pytest.approx(100 * 150 / 170)
    assert wings["edge_node/track"].row("track").split() == ["track", "93.3", "50.0", "88.2"]


def test_a_folder_without_code_is_covered() -> None:
    assert Counts().both == 100.0


def test_what_is_below_its_floor_is_named_with_the_figures() -> None:
    special, floor = next(iter(LEAST_OF.items()))
    wings = {special: Counts(100, int(floor)), "edge_node/track": Counts(1000, int(10 * LEAST) - 1)}
    assert below_floor(wings, Counts(10, 9), 90.0) == [
        f"edge_node/track: {LEAST - 0.1:.1f} % is below {LEAST:g} %"
    ]
    assert below_floor({}, Counts(10, 8), 90.0) == ["all: 80.0 % is below 90 %"]


def test_what_needs_pytorch_is_judged_where_pytorch_is() -> None:
    wings = {
        name: Counts()
        for name in ("optimization/train", "optimization/training", "optimization/training/network", "shared")
    }
    assert list(chosen(wings, learning=True)) == ["optimization/training", "optimization/training/network"]
    assert list(chosen(wings, learning=False)) == ["optimization/train", "shared"]
