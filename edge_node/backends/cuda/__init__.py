"""What all engines on a GPU share: memory, kernels, CUDA graphs, and two batches in flight.

Enter by `runner.py`, which takes a batch of pictures through a network. It uses `upload.py` (how pictures
get there), `slots.py` (which buffers a batch gets, and what a network has to be), `slot.py` (those of one
batch), `memory.py` (sizes), `picture.py` (page-locked memory), `layout.py`, `kernels.py`, `nms.py`,
`graph.py`, `libcuda.py`, `device.py`.
`kernels.cu` runs before the network and `nms.cu` after it: `make kernels` compiles them to PTX. `video/` is
the GPU's video decoder and what the node sees of its pictures.
May import `backends/interface.py`, `backends/preprocess.py` and what lies below them.
"""
