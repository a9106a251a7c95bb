"""Presets of `build --target`: settings that suit a kind of box.

Workspaces leave room for the cameras on boards that share memory with the GPU. Sources: NVIDIA's data sheets
(memory, compute capability, DLA cores); Maxwell boards are too old for TensorRT 8.6.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_node.backends.tensorrt.build import BuildOptions


@dataclass(frozen=True)
class Target:
    """A kind of box.

    Attributes:
        about: Description for --help.
        capability: Compute capability of its GPU.
        dla_cores: Number of its deep learning accelerators (DLA).
        options: How to build for it.
    """

    about: str
    capability: tuple[int, int]
    dla_cores: int
    options: BuildOptions


def _shared(workspace_mb: int, most: int) -> BuildOptions:
    """Options for a board whose GPU and CPU share memory."""
    return BuildOptions(
        precision="auto",
        profiles=((1, 1, 1), (1, max(most // 2, 1), most)),
        workspace_mb=workspace_mb,
        level=5,
    )


TARGETS = {
    "jetson-orin-nano": Target("Jetson Orin Nano, 8 GB, no DLA", (8, 7), 0, _shared(1024, 4)),
    "jetson-orin": Target("Jetson Orin NX and AGX Orin", (8, 7), 2, _shared(2048, 8)),
    "jetson-xavier": Target("Jetson Xavier NX and AGX Xavier", (7, 2), 2, _shared(1024, 4)),
    "t4": Target("T4, 16 GB", (7, 5), 0, BuildOptions(workspace_mb=4096)),
    "a10": Target("A10 and A10G, 24 GB", (8, 6), 0, BuildOptions(workspace_mb=8192)),
    "l4": Target("L4, 24 GB", (8, 9), 0, BuildOptions(workspace_mb=8192)),
    "hopper": Target("H100 and H200", (9, 0), 0, BuildOptions(workspace_mb=16384)),
}
