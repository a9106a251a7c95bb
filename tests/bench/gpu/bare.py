"""A network without pictures and boxes: what every way to use it takes at least."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_node.backends.cuda.device import Buffer, Device, Pinned
from edge_node.backends.cuda.graph import CudaGraph
from edge_node.backends.cuda.slots import Network


class Bare:
    """The network's own run, recorded, with the copies of its input and outputs; the context must be current.

    Args:
        gpu: The GPU.
        network: Runs on the stream.
        stream: A stream of pycuda.
        shape: Of its input: pictures, channels, height and width.
    """

    def __init__(self, gpu: Device, network: Network, stream: Any, shape: tuple[int, int, int, int]) -> None:
        driver, self._stream = gpu.driver, stream
        given = int(np.prod(shape)) * network.input_dtype.itemsize
        taken = [int(np.prod(full)) * kind.itemsize for full, kind in network.outputs(shape)]
        source, tensor = Pinned(gpu, given), Buffer(gpu, given)
        there, here = [Buffer(gpu, size) for size in taken], [Pinned(gpu, size) for size in taken]
        source.array[:] = 0
        self._memory: list[Buffer | Pinned] = [source, tensor, *there, *here]

        def work() -> None:
            driver.memcpy_htod_async(tensor.address, source.array, stream)
            network.enqueue(-shape[0], shape, tensor.address, [one.address for one in there], stream.handle)
            for one, pinned in zip(there, here, strict=True):
                driver.memcpy_dtoh_async(pinned.array, one.address, stream)

        for _ in range(3):
            work()
        self._graph = CudaGraph(stream.handle, work)

    def __call__(self) -> None:
        self._graph.launch(self._stream.handle)
        self._stream.synchronize()

    def close(self) -> None:
        self._graph.close()
        for one in self._memory:
            one.free()
