"""Detectors learn: an ONNX file is fine-tuned as it is (`adapt.py`).

Enter by `adapt.py`. This wing alone imports PyTorch, which the extra `train` installs. May import `measure`,
`graph`, `files.py`, `pictures.py`, `detectors.py`, and of `edge_node` what runs and tracks.
"""
