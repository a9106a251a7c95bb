"""Where a node keeps what must survive it, beside its zones."""

from __future__ import annotations

from pathlib import Path

from edge_node.config.settings import EdgeConfig
from shared.files import at_home
from shared.storage.folder import state_folder


def zones_path(config: EdgeConfig) -> Path | None:
    """The file that keeps zones; None: they are not kept."""
    if config.zones_file == "auto":
        return state_folder() / f"zones-{config.node}.json"
    return None if config.zones_file is None else at_home(config.zones_file)


def path_beside_zones(config: EdgeConfig, what: str) -> Path | None:
    """The file that keeps something else, such as "cameras"; None where zones are not kept either."""
    path = zones_path(config)
    return path and path.with_name(f"{what}-{config.node}.json")


def views_path(config: EdgeConfig) -> Path | None:
    """The folder that keeps the views of cameras; None where zones are not kept either."""
    path = zones_path(config)
    return path and path.with_name(f"views-{config.node}")
