"""How long each layer of a TensorRT engine takes.

TensorRT reports it through calls that versions 8.6, 10 and 11 have in common: after a run, a context calls
`IProfiler.report_layer_time`. The tests use a stand-in; no version has run this yet.
"""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from edge_node.backends.cuda.device import Buffer, device
from edge_node.backends.interface import ModelFile
from edge_node.backends.preprocess import InputFormat
from edge_node.backends.tensorrt.description import read
from edge_node.backends.tensorrt.engine import Engine
from edge_node.backends.tensorrt.module import import_tensorrt, logger
from edge_node.pictures import U8
from optimization.measure.layers.host import WARM_UP, LayerTimes, feeds_of, ranked
from shared.errors import ModelError


def tensorrt(path: Path, image: U8, *, rounds: int, index: int = 0) -> tuple[LayerTimes, tuple[int, int]]:
    """Time the layers of a TensorRT engine, by its own profiler.

    Args:
        path: The engine.
        image: The picture to run it on, u8 ``(H, W, 3)``, BGR.
        rounds: Runs that count.
        index: Number of the GPU.

    Returns:
        The times, and width and height of the input: those that the first profile is best at.

    Raises:
        ModelError: There is no TensorRT or no GPU, or the engine cannot be loaded or run.
    """
    trt, gpu = import_tensorrt(), device(index)
    file = read(path)
    times: dict[str, list[float]] = defaultdict(list)

    class Profiler(trt.IProfiler):  # type: ignore[misc, name-defined]  # untyped
        def __init__(self) -> None:
            trt.IProfiler.__init__(self)

        def report_layer_time(self, layer_name: str, ms: float) -> None:
            times[layer_name].append(ms)

    runs: list[float] = []
    with gpu.current():
        stream = gpu.driver.Stream()
        facts = Engine(trt, gpu, path, file.blob, stream.handle)  # refuses what Darner cannot run
        shape = facts.profiles[0][1]
        model = ModelFile(facts.inputs, facts.output_tensors, file.metadata)
        wanted = facts.outputs(shape)
        names = [facts.inputs[0].name, *(tensor.name for tensor in facts.output_tensors)]
        facts.close()
        runtime = trt.Runtime(logger(trt))  # which the engine needs for as long as it lives
        engine = runtime.deserialize_cuda_engine(file.blob)
        context = engine.create_execution_context()
        if context is None:
            raise ModelError(f"model {path}: TensorRT cannot prepare it{logger(trt).reason()}")
        profiler = Profiler()
        context.profiler = profiler
        feed = feeds_of(path, model, image, InputFormat(shape[3], shape[2]))[names[0]]
        batch = np.ascontiguousarray(np.broadcast_to(feed[:1], shape))
        sizes = [batch.nbytes, *(kind.itemsize * int(np.prod(axes)) for axes, kind in wanted)]
        buffers = [Buffer(gpu, size) for size in sizes]
        try:
            gpu.driver.memcpy_htod(buffers[0].address, batch)
            context.set_input_shape(names[0], shape)
            for name, buffer in zip(names, buffers, strict=True):
                context.set_tensor_address(name, buffer.address)
            for turn in range(WARM_UP + rounds):
                start = time.perf_counter()
                if not context.execute_async_v3(stream.handle):
                    raise ModelError(f"model {path}: TensorRT could not run it{logger(trt).reason()}")
                stream.synchronize()
                if turn >= WARM_UP:
                    runs.append((time.perf_counter() - start) * 1e3)
        finally:
            del context
            for buffer in buffers:
                buffer.free()
    layers = {name: found[WARM_UP:] for name, found in times.items() if len(found) > WARM_UP}
    times_of = ranked(f"tensorrt {trt.__version__}", gpu.name, runs, layers, {})
    return times_of, (shape[3], shape[2])
