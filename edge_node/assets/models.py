"""Models by name: the file a name stands for, and what is known about it before it is opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge_node.assets.download import DownloadError, cache_dir, fetch
from shared.errors import ModelError
from shared.files import at_home, is_readable

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
"""The folder of the model that comes with Darner."""

COCO = tuple(
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,"
    "parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,"
    "tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,"
    "tennis racket,bottle,wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,"
    "hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,"
    "keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear,"
    "hair drier,toothbrush".split(",")
)
"""The names of COCO's 80 classes, for models that carry none."""

NO_CLASS = "N/A"
"""Stands for a class id that is not used."""

_COCO_GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
_names = iter(COCO)
COCO_IDS = tuple(NO_CLASS if i in (0, *_COCO_GAPS) else next(_names) for i in range(91))
"""The same names by the ids in COCO's annotations, 0 to 90; eleven of these ids are not used."""


@dataclass(frozen=True)
class KnownModel:
    """A model that the configuration can name instead of a path.

    Attributes:
        name: Its name in the configuration.
        url: Its official address; None for the model that comes with Darner.
        layout: How its outputs are read.
    """

    name: str
    url: str | None
    layout: Layout


_YOLOX = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"

KNOWN = {
    model.name: model
    for model in (
        KnownModel("nanodet_g_416", None, "yolov8"),
        KnownModel("yolox_nano", f"{_YOLOX}/yolox_nano.onnx", "yolox"),
        KnownModel("yolox_tiny", f"{_YOLOX}/yolox_tiny.onnx", "yolox"),
        KnownModel("yolox_s", f"{_YOLOX}/yolox_s.onnx", "yolox"),
    )
}
"""The known models; the weights of all of them are under Apache-2.0."""


def find_model(name: str) -> Path:
    """The file of a model, downloaded where necessary.

    Args:
        name: The name of a known model, or the path of a file.

    Raises:
        ModelError: There is neither such a file nor such a model, or the download fails.
    """
    known = KNOWN.get(name)
    if known is None:
        path = at_home(name)
        if is_readable(path):
            return path
        raise ModelError(
            f"model {name!r}: no such file to read, and no known model of that name: {', '.join(KNOWN)}"
        )
    if known.url is None:
        return BUILT_IN / f"{name}.onnx"
    target = cache_dir() / "models" / f"{name}.onnx"
    try:
        return fetch(known.url, target)
    except DownloadError as error:
        raise ModelError(f"model {name!r}: {error}. Without a connection, put the file at {target}") from None
