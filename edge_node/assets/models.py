"""Which model file is meant, and what is known about it before it is opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge_node.assets.download import DownloadError, cache_dir, fetch
from shared.errors import ModelError

Layout = Literal[
    "yolov5",
    "yolov8",
    "yolov10",
    "yolox",
    "yolox_decoded",
    "nanodet",
    "picodet",
    "paddle",
    "rtmdet",
    "rtdetr",
    "rtdetr_queries",
    "rtdetr_rows",
    "rtdetr_topk",
    "rfdetr",
    "ssd",
    "tf_ssd",
    "faster_rcnn",
    "efficient_nms",
]
"""How a network's outputs are read; `edge_node/detect/decode/families.py` says what each of them is."""

Provider = Literal["cpu", "cuda", "tensorrt", "openvino", "coreml"]
"""An execution provider of ONNX Runtime."""

BUILT_IN = Path(__file__).parent / "weights"

COCO = tuple(
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,"
    "parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,"
    "tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,"
    "tennis racket,bottle,wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,"
    "hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,"
    "keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear,"
    "hair drier,toothbrush".split(",")
)
"""The 80 classes of COCO, for models that carry no names."""

NO_CLASS = "N/A"
"""The name of an id that no class has."""

_COCO_GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
_names = iter(COCO)
COCO_IDS = tuple(NO_CLASS if i in (0, *_COCO_GAPS) else next(_names) for i in range(91))
"""The same by the ids of COCO's annotations, 0 to 90, of which eleven were never used."""


@dataclass(frozen=True)
class KnownModel:
    """A model that can be named instead of being given as a path.

    Attributes:
        name: What the configuration says.
        licence: Of the weights.
        url: Official address; None for the one that ships with Darner.
        input_size: Pixels, square.
        layout: How its output is read.
        sha256: Of the file; None records the hash of the first download instead.
    """

    name: str
    licence: str
    url: str | None
    input_size: int
    layout: Layout
    sha256: str | None = None


_YOLOX = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"

KNOWN = {
    model.name: model
    for model in (
        KnownModel("nanodet_g_416", "Apache-2.0", None, 416, "yolov8"),
        KnownModel("yolox_nano", "Apache-2.0", f"{_YOLOX}/yolox_nano.onnx", 416, "yolox"),
        KnownModel("yolox_tiny", "Apache-2.0", f"{_YOLOX}/yolox_tiny.onnx", 416, "yolox"),
        KnownModel("yolox_s", "Apache-2.0", f"{_YOLOX}/yolox_s.onnx", 640, "yolox"),
    )
}


def find_model(name: str) -> Path:
    """The file of a model given by path or by the name of a known one; downloads it when needed.

    Raises:
        ModelError: Neither a file nor a known name, or it cannot be downloaded.
    """
    known = KNOWN.get(name)
    if known is None:
        path = Path(name).expanduser()
        if path.is_file():
            return path
        raise ModelError(f"model {name!r}: no such file, and not one of the known models: {', '.join(KNOWN)}")
    if known.url is None:
        return BUILT_IN / f"{name}.onnx"
    target = cache_dir() / "models" / f"{name}.onnx"
    try:
        return fetch(known.url, target, known.sha256)
    except DownloadError as error:
        raise ModelError(f"model {name!r}: {error}. Offline, put the file at {target}") from None
