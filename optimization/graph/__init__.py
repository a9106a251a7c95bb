"""Networks as ONNX graphs: read, simplified, converted, quantised, compared and counted.

Start with `graphs.py`, which reads, runs and writes them; `parity.py` compares two networks by their outputs.
May import the files above this folder, `edge_node` and `shared`.
"""
