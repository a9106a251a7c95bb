from __future__ import annotations

from pathlib import Path

import pytest

from edge_node.config import load
from edge_node.config.live import LiveStore
from edge_node.config.tile_settings import TileSettings
from shared.errors import ConfigError

KEY = "cameras.c.tiles"


def read(tmp_path: Path, tiles: str, *overrides: str) -> object:
    file = tmp_path / "node.yaml"
    file.write_text(f"cameras: {{c: {{source: 0, tiles: {tiles}}}}}")
    return load.configuration(file, overrides).cameras["c"].tiles


@pytest.mark.parametrize(
    ("text", "tiles"),
    [
        ("null", None),
        ("", None),
        ("auto", "auto"),
        ("{columns: 3, rows: 2}", TileSettings(columns=3, rows=2)),
        ("{columns: 3, overlap: 0, whole: false}", TileSettings(columns=3, overlap=0, whole=False)),
        ("{runs: 4, sweep_s: 30}", TileSettings(runs=4, sweep_s=30)),
    ],
)
def test_tiles_are_a_word_or_a_section_in_a_file_and_on_the_command_line(
    tmp_path: Path, text: str, tiles: object
) -> None:
    assert read(tmp_path, text) == tiles
    assert read(tmp_path, "auto", f"{KEY}={text}") == tiles


def test_keys_of_tiles_can_be_set_one_by_one(tmp_path: Path) -> None:
    assert read(tmp_path, "{columns: 3}", f"{KEY}.rows=2") == TileSettings(columns=3, rows=2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("grid", f"{KEY}: expected one of auto, or a section with keys"),
        ("Auto", "did you mean auto?"),
        ("{column: 2}", f"{KEY}.column: unknown key; did you mean 'columns'?"),
        ("{columns: 0}", f"{KEY}.columns: 0: expected a whole number >= 1"),
        ("{columns: 2, overlap: 0.9}", f"{KEY}.overlap: 0.9: expected a number <= 0.5"),
        ("{columns: 2, runs: 4}", f"{KEY}: runs is for tiles that the network chooses itself"),
        ("{rows: 2, sweep_s: 4}", f"{KEY}: sweep_s is for tiles that the network chooses itself"),
        ("{whole: true}", f"{KEY}: whole belongs to a fixed grid"),
        ("{runs: 4, overlap: 0.1}", f"{KEY}: overlap belongs to a fixed grid"),
        ("{columns: 16, rows: 4}", "and the whole picture are 65 runs of the network for each frame"),
        ("{runs: 33}", f"{KEY}.runs: 33: expected a whole number <= 32"),
    ],
)
def test_what_contradicts_itself_is_refused_by_its_key(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, text)
    assert reason in str(refused.value)


def test_a_reload_changes_the_tiles(tmp_path: Path) -> None:
    file = tmp_path / "node.yaml"
    configs = []
    for tiles in ("null", "auto"):
        file.write_text(f"cameras: {{c: {{source: 0, tiles: {tiles}}}}}")
        configs.append(load.configuration(file, ()))
    live = LiveStore(configs[0])
    assert live.tiles("c") is None
    live.reconfigure(*configs)
    assert live.tiles("c") == TileSettings()
