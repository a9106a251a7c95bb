"""How much of a GPU's memory a TensorRT engine and its execution contexts take, with their shared scratch.

Prints the free memory that each further context takes, after a run: one for each slot and batch, as a node
makes them. Buffers are not counted.

    .venv/bin/python -m tests.bench.gpu.contexts x.engine --contexts 10
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from edge_node.backends.cuda.device import Buffer, device
from edge_node.backends.tensorrt.description import read
from edge_node.backends.tensorrt.engine import Engine
from edge_node.backends.tensorrt.module import import_tensorrt
from shared.errors import ModelError


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("engine", type=Path)
    parser.add_argument("--contexts", type=int, default=10)
    options = parser.parse_args(arguments)
    try:
        trt, gpu = import_tensorrt(), device()
        file = read(options.engine)
    except ModelError as error:
        print(error, file=sys.stderr)
        return 1
    with gpu.current():
        stream = gpu.driver.Stream()
        first = gpu.free_memory()
        engine = Engine(trt, gpu, options.engine, file.blob, stream.handle, file.outputs)
        _, channels, height, width = engine.profiles[-1][1]
        batches = sorted({engine.padded(count) for count in range(1, engine.max_batch + 1)})
        made = [(slot, batch) for slot in range(options.contexts) for batch in batches][: options.contexts]
        print(f"TensorRT {trt.__version__} on {gpu.name}, {width}x{height}, {first >> 20} MB free")
        print(f"the engine itself: {(first - gpu.free_memory()) / 1e6:8.1f} MB")
        for slot, batch in made:
            shape = batch, channels, height, width
            before = gpu.free_memory()
            outputs = [kind.itemsize * int(np.prod(axes)) for axes, kind in engine.outputs(shape)]
            sizes = [engine.input_dtype.itemsize * int(np.prod(shape)), *outputs]
            source, *targets = (Buffer(gpu, size) for size in sizes)
            engine.enqueue(slot, shape, source.address, [one.address for one in targets], stream.handle)
            stream.synchronize()
            took = before - gpu.free_memory() - sum(sizes)
            print(f"slot {slot}, batch {batch:>2}: {took / 1e6:8.1f} MB")
            for one in (source, *targets):
                one.free()
        print(f"all {len(made)}: {(first - gpu.free_memory()) / 1e6:.1f} MB")
        engine.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
