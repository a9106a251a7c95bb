"""What all engines on a GPU share: memory, kernels, CUDA graphs, and two batches in flight.

Enter by `runner.py`, which takes a batch of pictures through a network. It uses `upload.py` (how
pictures get there), `slots.py` (which buffers a batch gets), `slot.py` (those of one batch), `memory.py`
(sizes), `picture.py` (memory that needs no copy), `kernels.py`, `graph.py`, `libcuda.py` and `device.py`.
`kernels.cu` is the source of `kernels.ptx`: `make kernels` compiles it.
May import `backends/interface.py`, `backends/preprocess.py` and what lies below them.
"""
