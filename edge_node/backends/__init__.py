"""Engines: each takes pictures and gives a network's raw outputs, on its own kind of runtime.

Enter by `choose.py`, which picks the engine for a model; `interface.py` defines what every engine offers.
Lowest level first: `preprocess.py`, `interface.py`, then `host.py` (tensors in host memory) and `cuda/` (a
GPU), then one engine each: `onnx/`, `tensorrt/`, `torch.py`, `kserve.py`. An engine imports its packages when
it is chosen.
May import `config`, `machine`, `assets`, `frames.py` and `shared`.
"""
