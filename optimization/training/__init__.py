"""Detectors learn: an ONNX file is fine-tuned as it is, or a network is trained and exported.

Enter by `adapt.py` for the first, and by `trainer/train.py` for the second. `nightly/` adapts every night;
`network/` is an ONNX graph in PyTorch, which the extra `train` installs. May import `dataset`, `measure`,
`graph`, the files above this folder, and of `edge_node` what runs and tracks.
"""
