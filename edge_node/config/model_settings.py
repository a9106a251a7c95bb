"""The settings of the network and of the engine that runs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from edge_node.assets.models import AUTO
from edge_node.assets.names import Layout, Provider
from shared import limits
from shared.configuration.declared import ADDRESS
from shared.wire.messages import Fraction, Label

Precision = Literal["auto", "fp32", "fp16", "int8"]
"""The arithmetic of a TensorRT engine."""


@dataclass(frozen=True, kw_only=True)
class TensorrtSettings:
    """How TensorRT engines are built from ONNX files on this machine, and kept."""

    precision: Annotated[
        Precision,
        Meta(description="Arithmetic. auto: half precision where TensorRT offers it, else the model's own"),
    ] = "auto"
    max_batch: Annotated[
        int, Meta(ge=1, le=64, description="Largest batch of the engine, for models that leave it open")
    ] = 16
    workspace_mb: Annotated[
        int, Meta(ge=16, le=65536, description="Most scratch memory a layer may use, in MB")
    ] = 2048
    level: Annotated[
        int,
        Meta(
            ge=0,
            le=5,
            description="TensorRT's optimisation level: a higher one builds longer and may run faster; "
            "from 3 on, TensorRT also compiles kernels, which can take tens of minutes",
        ),
    ] = 2
    while_building: Annotated[
        Literal["wait", "onnxruntime"],
        Meta(
            description="What the node does while its engine is built, which takes minutes. onnxruntime: it "
            "runs with ONNX Runtime, which may be too slow for many cameras; wait: it begins with the engine"
        ),
    ] = "onnxruntime"
    check: Annotated[
        bool,
        Meta(
            description="Compare a new engine with its ONNX file on pictures, and refuse one that does not "
            "find the same"
        ),
    ] = True
    cache_mb: Annotated[
        int,
        Meta(
            ge=0, description="Most MB of engines kept on disk; the one unused for longest is deleted first"
        ),
    ] = 4096


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """The network, the engine that runs it, and which of its detections count."""

    name: Annotated[
        str,
        Meta(
            description="auto: the best known model in the cache that is fast enough here for the cameras, "
            "else the built-in one; nothing is downloaded. Else the path of a model file, the name of a "
            "known model, or http://HOST:PORT/MODEL or grpc://HOST:PORT/MODEL on a KServe server",
            extra=ADDRESS,
        ),
    ] = AUTO
    backend: Annotated[
        Literal["auto", "tensorrt", "onnxruntime", "torch", "kserve"],
        Meta(description="The engine. auto: the fastest that runs here and has a file of the model"),
    ] = "auto"
    providers: Annotated[
        tuple[Provider, ...],
        Meta(
            description="ONNX Runtime's execution providers, the preferred one first; "
            "empty: cuda where it works, else cpu"
        ),
    ] = ()
    provider_options: Annotated[
        dict[Provider, dict[str, str | int | float | bool]],
        Meta(
            description="Options of ONNX Runtime's execution providers, by provider, under its own names; "
            "one that it refuses ends the node with an error"
        ),
    ] = field(default_factory=dict)
    allow_fallback: Annotated[
        bool,
        Meta(
            description="Continue with a warning when a provider does not start, and on the processor when a "
            "GPU has failed or TensorRT does not start; false ends the node with an error"
        ),
    ] = False
    layout: Annotated[
        Layout | Literal["auto"],
        Meta(description="How the network's outputs are read. auto: recognised by their names and shapes"),
    ] = "auto"
    labels: Annotated[
        tuple[Label, ...],
        Meta(description="Class names by class id, for models that carry none; [coco] means COCO's 80"),
    ] = ()
    devices: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=63)], ...],
        Meta(
            max_length=16,
            description="Numbers of the GPUs to use. Each gets a detector, and the cameras are shared out "
            "among them; empty: one detector on GPU 0. On a CPU, each number makes one detector with its "
            "share of the cores",
        ),
    ] = ()
    classes: Annotated[
        tuple[Label, ...], Meta(description="Names of the classes to detect; empty: all classes")
    ] = ()
    confidence: Annotated[
        Fraction, Meta(description="Lowest score with which a detection reaches the tracker")
    ] = 0.1
    iou: Annotated[
        Fraction,
        Meta(
            description="Of two boxes that overlap by more than this (intersection over union), "
            "only the one with the higher score is kept"
        ),
    ] = 0.6
    max_detections: Annotated[
        int,
        Meta(
            ge=1,
            le=limits.DETECTIONS,
            description="Most detections kept of one frame, the highest scores first",
        ),
    ] = 300
    threads: Annotated[
        int,
        Meta(ge=0, le=256, description="CPU threads of one inference; 0: every core this process may use"),
    ] = 0
    spinning: Annotated[
        bool,
        Meta(
            description="Let idle inference threads wait busily: a little faster on a machine that does "
            "nothing else, slower for everything else on it"
        ),
    ] = False
    input_size: Annotated[
        int,
        Meta(
            ge=0,
            le=4096,
            description="Longer side of the network's input in pixels, for models that take any size; "
            "0: the size it was trained with",
        ),
    ] = 0
    rectangular: Annotated[
        bool,
        Meta(description="For models that take any size: use the camera's aspect ratio; false: a square"),
    ] = True
    timeout_s: Annotated[
        float, Meta(gt=0, le=600, description="Longest wait for a KServe server's answer, in seconds")
    ] = 5.0
    tensorrt: TensorrtSettings = field(default_factory=TensorrtSettings)

    def __post_init__(self) -> None:
        for provider, given in self.provider_options.items():
            where = f"provider_options.{provider}"
            if provider == "cpu":
                raise ValueError(f"{where}: the cpu provider ignores options: leave them out")
            if self.backend in ("torch", "kserve"):
                raise ValueError(f"{where} is for ONNX Runtime: leave it out with backend: {self.backend}")
            if provider not in (self.providers or ("cuda",)):
                raise ValueError(
                    f"{where} has no effect unless providers names {provider}: add it, or leave it out"
                )
            if "device_id" in given:
                raise ValueError(f"{where}.device_id: the numbers of the GPUs go into devices")
            if "user_compute_stream" in given:
                raise ValueError(
                    f"{where}.user_compute_stream: the node has a stream of its own: leave it out"
                )
            if "enable_cuda_graph" in given:  # its recording would read and write the first batch's buffers
                raise ValueError(
                    f"{where}.enable_cuda_graph: the node records CUDA graphs itself: leave it out"
                )
