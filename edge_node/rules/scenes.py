"""What rules have to know of cameras: their zones and lines, and what people call all of it."""

from __future__ import annotations

from edge_node.config.saved.definitions import DefinitionStore
from edge_node.config.settings import EdgeConfig
from shared.rules.scene import Scene


class Scenes:
    """The scenes of a node's cameras. Any thread may ask.

    Args:
        config: Has the names of node and cameras.
        definitions: The zones and lines.
    """

    def __init__(self, config: EdgeConfig, definitions: DefinitionStore) -> None:
        self._config, self._definitions = config, definitions

    def rename(self, config: EdgeConfig) -> bool:
        """Use the names of another configuration; whether they are others."""
        before, self._config = self._config, config
        return _names(before) != _names(config)

    def of(self, camera: str) -> Scene:
        """The scene of a camera, now."""
        config, definitions = self._config, self._definitions[camera]
        return Scene(
            node=config.node,
            camera=camera,
            zones={name: zone.name or name for name, zone in definitions.zones.items()},
            lines={name: line.name or name for name, line in definitions.lines.items()},
            node_name=config.node_name,
            camera_name=config.cameras[camera].name,
        )


def _names(config: EdgeConfig) -> list[str | None]:
    return [config.node_name, *(camera.name for camera in config.cameras.values())]
