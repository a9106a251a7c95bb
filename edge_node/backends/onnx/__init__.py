"""ONNX Runtime as an engine, on the CPU or on a GPU.

Enter by `backend.py` (any execution provider, tensors in host memory) or `on_cuda.py` (a GPU, through
`cuda/`). `providers.py` picks execution providers; `fold.py` lets a network take a picture's bytes, and reads
and writes ONNX files with `file.py`.
May import `backends/host.py`, `backends/cuda/` and what lies below them.
"""
