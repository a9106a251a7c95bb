"""The settings of the network and of the engines that run it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from edge_node.assets.models import Layout, Provider
from shared.wire.messages import Fraction, Label

Precision = Literal["auto", "fp32", "fp16", "int8"]
"""The arithmetic of a TensorRT engine."""


@dataclass(frozen=True, kw_only=True)
class TensorrtSettings:
    """Engines that are built here, of ONNX files."""

    precision: Annotated[
        Precision, Meta(description="auto: half precision where TensorRT allows it, else the model's own")
    ] = "auto"
    max_batch: Annotated[
        int, Meta(ge=1, le=64, description="Most pictures at once, for models that leave it open")
    ] = 16
    workspace_mb: Annotated[int, Meta(ge=16, le=65536)] = 2048
    level: Annotated[int, Meta(ge=0, le=5, description="Time spent on looking for faster kernels")] = 3
    while_building: Annotated[
        Literal["wait", "onnxruntime"],
        Meta(description="Until an engine is built: start later, or run with ONNX Runtime meanwhile"),
    ] = "wait"
    cache_mb: Annotated[int, Meta(ge=0, description="Engines kept; the longest unused go first")] = 4096


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """Which network, and what of its output counts."""

    name: Annotated[
        str,
        Meta(
            description="Path of a model file, the name of a known model, or http://HOST:PORT/MODEL or "
            "grpc://HOST:PORT/MODEL on a KServe server"
        ),
    ] = "nanodet_g_416"
    backend: Annotated[
        Literal["auto", "tensorrt", "onnxruntime", "torch", "kserve"],
        Meta(description="The engine; auto: the fastest that runs here and has a file of the model"),
    ] = "auto"
    providers: Annotated[
        tuple[Provider, ...],
        Meta(description="ONNX Runtime's execution providers in order; empty: cuda where it works, else cpu"),
    ] = ()
    allow_fallback: Annotated[
        bool, Meta(description="Go on without a provider that cannot be had; false: end with an error")
    ] = False
    layout: Layout | Literal["auto"] = "auto"
    labels: Annotated[tuple[Label, ...], Meta(description="For models that carry no class names")] = ()
    devices: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=63)], ...],
        Meta(
            max_length=16,
            description="GPUs by number, a detector on each, to which the cameras are dealt out; empty: one "
            "detector on the first GPU. On a CPU: so many detectors, which share its cores",
        ),
    ] = ()
    classes: Annotated[tuple[Label, ...], Meta(description="Classes to detect; empty means all")] = ()
    confidence: Annotated[Fraction, Meta(description="Lowest score that reaches the tracker")] = 0.1
    iou: Annotated[Fraction, Meta(description="NMS: overlap above this is the same object")] = 0.6
    max_detections: Annotated[int, Meta(ge=1, le=3000)] = 300
    threads: Annotated[int, Meta(ge=0, le=256, description="0: every core this process may use")] = 0
    spinning: Annotated[
        bool,
        Meta(description="Threads wait busily for work: a little faster on a box that does nothing else"),
    ] = False
    input_size: Annotated[
        int,
        Meta(
            ge=0,
            le=4096,
            description="Longer side of the input, for models that take any size; 0: as trained",
        ),
    ] = 0
    rectangular: Annotated[
        bool, Meta(description="Models that take any size get the camera's aspect; false: a square")
    ] = True
    timeout_s: Annotated[float, Meta(gt=0, le=600, description="KServe: longest wait for an answer")] = 5.0
    tensorrt: TensorrtSettings = field(default_factory=TensorrtSettings)
