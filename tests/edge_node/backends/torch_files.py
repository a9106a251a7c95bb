"""Models of the tests as PyTorch files; needs an environment with PyTorch and onnx2torch."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from onnx2torch import convert


def script(source: Path, path: Path) -> None:
    """The built-in model as TorchScript for one picture of 416x416, with the class names of the ONNX file.

    Args:
        source: The built-in model.
        path: To write; another file is written beside it.
    """
    # Its weights are float16 behind a cast, which onnx2torch cannot read; ONNX Runtime folds the casts.
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    # With the size known, they also fold the arithmetic of shapes, which onnx2torch cannot read either.
    for name, length in (("batch", 1), ("height", 416), ("width", 416)):
        options.add_free_dimension_override_by_name(name, length)
    options.optimized_model_filepath = str(path.with_suffix(".plain"))
    session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    extra = {"config.txt": json.dumps({"names": metadata["names"], "imgsz": "416"})}
    network = convert(path.with_suffix(".plain")).eval()
    torch.jit.save(torch.jit.trace(network, torch.rand(1, 3, 416, 416)), path, _extra_files=extra)


class Cells(torch.nn.Module):  # type: ignore[misc]  # untyped here
    """The network of `networks.detector` in PyTorch, with its weights."""

    def __init__(self, weights: dict[str, torch.Tensor]) -> None:
        super().__init__()
        self.mean = torch.nn.Parameter(weights["mean"])
        self.others = torch.nn.Parameter(weights["others"])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        bright = torch.nn.functional.conv2d(images, self.mean, stride=32)
        dim = torch.nn.functional.conv2d(bright, self.others)
        ones = torch.ones_like(bright)
        x, y = ones.cumsum(3) * 32 - 16, ones.cumsum(2) * 32 - 16
        return torch.cat([x, y, ones * 32, ones * 32, bright, dim], 1).flatten(2)


def exported(source: Path, path: Path) -> None:
    """The network of `networks.detector` by `torch.export`, for any batch and size.

    Args:
        source: Its ONNX file.
        path: To write.
    """
    graph = onnx.load(source).graph
    network = Cells({one.name: torch.tensor(numpy_helper.to_array(one)) for one in graph.initializer})
    axes = {0: torch.export.Dim("batch", max=16)}
    axes |= {index: 32 * torch.export.Dim(name, max=64) for index, name in ((2, "rows"), (3, "columns"))}
    program = torch.export.export(network.eval(), (torch.rand(2, 3, 96, 160),), dynamic_shapes=(axes,))
    torch.export.save(program, path)
