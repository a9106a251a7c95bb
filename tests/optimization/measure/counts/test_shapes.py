from __future__ import annotations

from pathlib import Path

import pytest

from optimization.measure.counts.shapes import random_shapes, read_shapes
from shared.definitions.problems import problems
from shared.errors import ConfigError

EXAMPLES = Path(__file__).resolve().parents[4] / "docs" / "examples"
LINES = "lines: {gate: {points: [[0.5, 1], [0.5, 0]]}}"


def test_the_same_seed_draws_the_same_shapes_and_another_seed_others() -> None:
    assert random_shapes(5, 7) == random_shapes(5, 7)
    assert random_shapes(5, 7) != random_shapes(5, 8)


def test_random_shapes_can_count_and_lie_all_over_the_picture() -> None:
    shapes = random_shapes(50, 1)
    assert len(shapes.lines) == len(shapes.zones) == 50
    assert problems(shapes.zones, shapes.lines) == []
    corners = [corner for zone in shapes.zones.values() for corner in zone.polygon]
    corners += [end for line in shapes.lines.values() for end in line.points]
    assert all(0 <= value <= 1 for corner in corners for value in corner)
    assert {(x > 0.5, y > 0.5) for x, y in corners} == {(a, b) for a in (True, False) for b in (True, False)}


def test_lines_and_zones_are_read_from_what_the_node_published() -> None:
    shapes = read_shapes(EXAMPLES / "zones.json")
    assert list(shapes.zones) == ["path"]
    assert list(shapes.lines) == ["gate"]


@pytest.mark.parametrize(
    ("text", "camera"),
    [
        pytest.param(LINES, None, id="lines alone"),
        pytest.param(f"cameras: {{door: {{source: 0, {LINES}}}}}", None, id="the only camera"),
        pytest.param(f"cameras: {{yard: {{source: 1}}, door: {{{LINES}}}}}", "door", id="a named camera"),
    ],
)
def test_lines_are_read_from_a_configuration(tmp_path: Path, text: str, camera: str | None) -> None:
    (tmp_path / "node.yaml").write_text(text)
    assert list(read_shapes(tmp_path / "node.yaml", camera).lines) == ["gate"]


@pytest.mark.parametrize(
    ("text", "camera", "says"),
    [
        pytest.param("lines: {gate: {points: [[0.5, high], [0.5, 0]]}}", None, "lines.gate", id="no number"),
        pytest.param("lines: {gate: {pints: []}}", None, "pints", id="a misspelt key"),
        pytest.param("cameras: {door: {source: 0}}", None, "neither zones nor lines", id="nothing drawn"),
        pytest.param("cameras: {a: {source: 0}, b: {source: 1}}", None, "--camera", id="which camera"),
        pytest.param(f"cameras: {{a: {{{LINES}}}}}", "b", "no camera 'b', only a", id="no such camera"),
        pytest.param("cameras: [a]", None, "cameras must be a mapping", id="cameras as a list"),
        pytest.param(
            "zones: {z: {polygon: [[0, 0], [1, 1], [1, 0], [0, 1]]}}", None, "crosses itself", id="crossed"
        ),
        pytest.param(
            "lines: {a: {points: [[0.5, 1], [0.5, 0]]}}\nzones: {a: {polygon: [[0, 0], [1, 0], [0, 1]]}}",
            None,
            "'a' names",
            id="one name twice",
        ),
    ],
)
def test_shapes_that_cannot_be_used_are_one_clear_sentence(
    tmp_path: Path, text: str, camera: str | None, says: str
) -> None:
    (tmp_path / "node.yaml").write_text(text)
    with pytest.raises(ConfigError, match=says) as caught:
        read_shapes(tmp_path / "node.yaml", camera)
    assert "\n" not in str(caught.value)
