"""Presets of `build --target`: settings that suit a kind of box.

Workspaces and batches leave room for the cameras on boards that share memory with the GPU, and for a desktop
on consumer GPUs; nobody measured them there. Sources: NVIDIA's data sheets (memory, compute capability, DLA
cores). Jetsons before Orin are missing: the newest TensorRT for them is 8.5, which is too old.
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
        options: How to build for it.
        dla_cores: Number of its deep learning accelerators (DLA), on the largest of these boxes.
    """

    about: str
    capability: tuple[int, int]
    options: BuildOptions
    dla_cores: int = 0


def _shared(workspace_mb: int, most: int) -> BuildOptions:
    """Options for a board whose GPU and CPU share memory."""
    return BuildOptions(profiles=((1, 1, 1), (1, most // 2, most)), workspace_mb=workspace_mb)


TARGETS = {
    "jetson-orin-nano": Target("Jetson Orin Nano, 4 or 8 GB, no DLA", (8, 7), _shared(512, 4)),
    "jetson-orin-nx": Target(
        "Jetson Orin NX, 8 GB with one DLA or 16 GB with two", (8, 7), _shared(1024, 8), dla_cores=2
    ),
    "jetson-agx-orin": Target(
        "Jetson AGX Orin, 32 or 64 GB, two DLA", (8, 7), _shared(2048, 16), dla_cores=2
    ),
    "rtx-30": Target("GeForce RTX 30 and RTX A2000 to A6000", (8, 6), BuildOptions()),
    "rtx-40": Target("GeForce RTX 40 and RTX 2000 to 6000 Ada", (8, 9), BuildOptions()),
    "rtx-50": Target("GeForce RTX 50 and RTX PRO Blackwell", (12, 0), BuildOptions()),
    "t4": Target("T4, 16 GB", (7, 5), BuildOptions(workspace_mb=4096)),
    "a10": Target("A10 and A10G, 24 GB", (8, 6), BuildOptions(workspace_mb=8192)),
    "l4": Target("L4, 24 GB", (8, 9), BuildOptions(workspace_mb=8192)),
    "hopper": Target("H100 and H200", (9, 0), BuildOptions(workspace_mb=16384)),
}
