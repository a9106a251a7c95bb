"""Which networks may be trained: those whose code and published weights have a permissive licence."""

from __future__ import annotations

from dataclasses import dataclass

from edge_node.assets.names import Layout
from shared.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Networks of one kind, in several sizes.

    Attributes:
        name: Such as "yolox".
        sizes: What the library calls each size, by the name that users type.
        sides: Width and height of the input that each size is made for, pixels, by the same names.
        stride: Pixels that width and height of the input are a multiple of.
        layout: How the node reads the exported network.
        trunk: What `--freeze trunk` keeps as it is, as the library names it.
        licence: Of the code and of the weights that its authors published.
        rate: The learning rate of its authors, for `rate_batch` pictures a step.
        rate_batch: Pictures.
        layered: Whether its layers stand in an ONNX file as they are, so that training can start from one.
    """

    name: str
    sizes: dict[str, str]
    sides: dict[str, int]
    stride: int
    layout: Layout
    trunk: str
    licence: str
    rate: float
    rate_batch: int
    layered: bool


FAMILIES = (
    Family(
        name="yolox",
        sizes={"nano": "n", "tiny": "t", "s": "s", "m": "m", "l": "l", "x": "x"},
        sides={"nano": 416, "tiny": 416, "s": 640, "m": 640, "l": 640, "x": 640},
        stride=32,
        layout="yolox_decoded",
        trunk="backbone",
        licence="Apache-2.0",
        rate=0.01,
        rate_batch=16,
        layered=True,
    ),
    Family(
        name="dfine",
        sizes={"n": "n", "s": "s", "m": "m", "l": "l", "x": "x"},
        sides=dict.fromkeys("nsmlx", 640),
        stride=640,
        layout="rtdetr_queries",
        trunk="backbone",
        licence="Apache-2.0",
        rate=2e-4,
        rate_batch=16,
        layered=False,
    ),
)

_REFUSED = {
    "yolov3 yolov5 yolov6 yolov7 yolov8 yolov10 yolo10 yolo11 yolov11 yolo12 yolov12 yolo26 yoloe": (
        "its usual code or weights are under the GPL or AGPL, which bind what they are used in"
    ),
    "yolonas yolo-nas": "the licence of its weights forbids commercial use",
    "deimv2 dinov3": "its backbone is under Meta's DINOv3 licence, which restricts use",
    "domedetr": "its weights are for academic research only",
    "yolo9 yolov9 rtmdet picodet rfdetr rtdetr deim fcos ssd": (
        "its licence would allow it, but nobody has yet shown that what LibreYOLO exports runs in the node"
    ),
}
"""Why not, by how names begin."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A network to train.

    Attributes:
        family: Its family.
        size: What the library calls its size.
        side: Width and height of the input that it is made for, pixels.
        name: Such as "yolox-nano".
    """

    family: Family
    size: str
    side: int
    name: str


def choose(name: str) -> Choice:
    """The network of a name such as ``yolox-nano``.

    Raises:
        ConfigError: There is none, or its licence does not allow it: the text says which there are, and why.
    """
    wanted = name.strip().lower().replace("_", "-")
    for family in FAMILIES:
        for size, inner in family.sizes.items():
            if wanted == f"{family.name}-{size}":
                return Choice(family, inner, family.sides[size], wanted)
    for words, why in _REFUSED.items():
        if wanted.startswith(tuple(words.split())):
            raise ConfigError(f"--model {name}: is not trained here: {why}; use one of {', '.join(names())}")
    raise ConfigError(f"--model {name}: is not known; use one of {', '.join(names())}")


def names() -> list[str]:
    """All names that `choose` takes."""
    return [f"{family.name}-{size}" for family in FAMILIES for size in family.sizes]
