"""What the tests of the GPU's parts share."""

from __future__ import annotations

import ctypes

import pytest

from edge_node.backends.cuda.device import Device, device
from shared.errors import ModelError
from tests.edge_node.backends.cuda.on_cpu import compiled


@pytest.fixture(scope="session")
def library() -> ctypes.CDLL:
    """The kernels, compiled for the CPU."""
    return compiled()


@pytest.fixture(scope="session")
def gpu() -> Device:
    """The first GPU."""
    try:
        return device()
    except ModelError as error:
        pytest.skip(f"needs an NVIDIA GPU and pycuda: {error}")
