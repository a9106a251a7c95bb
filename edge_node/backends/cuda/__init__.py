"""A GPU without an engine: memory, kernels, CUDA graphs, and batches of which two are in flight.

Enter by `runner.py`, which takes a batch of pictures through a network; what it needs is in `slots.py` (which
buffers), `slot.py` (those of one batch), `memory.py` (sizes), `kernels.py`, `graph.py` and `device.py`.
`kernels.cu` is the source of `kernels.ptx`: `make kernels` compiles it.
May import `backends/interface.py`, `backends/preprocess.py` and what lies below them.
"""
