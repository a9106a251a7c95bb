"""Names that settings, files and the table of models share: of layouts, providers and classes."""

from __future__ import annotations

from typing import Literal

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
