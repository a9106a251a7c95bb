"""Ground truth in COCO's format, and the evaluation of a detector against it.

Source: Lin et al., "Microsoft COCO: Common Objects in Context", and its evaluation code, `pycocotools`.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from edge_node.frames import Detections
from optimization.measure.scores import Evaluation, Scores
from shared.errors import ConfigError, SourceError
from shared.geometry import F64, Bool

NOT_SCORED = -1


class Truth:
    """Pictures and the objects in them.

    Args:
        document: Content of a COCO "instances" file.
        pictures: Image id and path of each picture.

    Attributes:
        pictures: Image id and path of each picture.
        categories: Category ids by name.
    """

    def __init__(self, document: dict[str, Any], pictures: Sequence[tuple[int, Path]]) -> None:
        self._coco = _coco(document, document["annotations"])
        self.pictures = pictures
        self.categories: dict[str, int] = {item["name"]: item["id"] for item in document["categories"]}

    def match(self, names: Sequence[str], only: Sequence[str] = ()) -> npt.NDArray[np.intp]:
        """Category ids of a model's classes, by name.

        Args:
            names: The model's class names, by class id.
            only: Categories to score; none means all.

        Returns:
            Category ids by class id; `NOT_SCORED` for a class that is not scored.

        Raises:
            ConfigError: A category to score is not in the annotations, or the model has no such class.
        """
        for name in only:
            if name not in self.categories:
                raise ConfigError(
                    f"--classes: {name!r} is not a category of the annotations{_near(name, self.categories)}"
                )
        wanted = only or tuple(self.categories)
        unknown = [name for name in wanted if name not in names]
        if unknown:
            both = [name for name in self.categories if name in names]
            hint = f"; --classes {','.join(both[:3])} scores only what both have" if both else ""
            raise ConfigError(
                f"the model has no class {unknown[0]!r}{_near(unknown[0], names)} ({len(unknown)} of "
                f"{len(wanted)} categories are unknown to it){hint}"
            )
        return np.array([self.categories[n] if n in wanted else NOT_SCORED for n in names], np.intp)

    def score(self, found: Sequence[Detections], category_ids: npt.NDArray[np.intp]) -> Scores:
        """COCO's numbers, over at most 100 detections of each class in a picture.

        Args:
            found: Detections of each picture, in the order of `pictures`.
            category_ids: What `match` returned.
        """
        return self.evaluate(found, category_ids).scores()

    def evaluate(self, found: Sequence[Detections], category_ids: npt.NDArray[np.intp]) -> Evaluation:
        """What pycocotools measures; the arguments are those of `score`."""
        rows = [
            {"image_id": image, "category_id": int(category), "bbox": box, "score": score}
            for (image, _), seen in zip(self.pictures, found, strict=True)
            for box, score, category in _rows(seen, category_ids)
        ]
        scored = sorted({int(category) for category in category_ids} - {NOT_SCORED})
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation = COCOeval(self._coco, _coco(self._coco.dataset, rows), "bbox")
            evaluation.params.catIds = scored
            evaluation.evaluate()
            evaluation.accumulate()
        by_id = {id_: name for name, id_ in self.categories.items()}
        there = self._coco.loadAnns(self._coco.getAnnIds(imgIds=[image for image, _ in self.pictures]))
        counts = Counter(item["category_id"] for item in there if not item["iscrowd"])
        return Evaluation(
            [by_id[id_] for id_ in scored],
            [counts[id_] for id_ in scored],
            evaluation.eval["precision"],
            evaluation.eval["recall"],
        )

    def objects(self, image: int) -> tuple[F64, npt.NDArray[np.intp], Bool]:
        """The objects in a picture: corners ``(N, 4)`` in pixels, category ids, and which are crowds."""
        items = self._coco.imgToAnns.get(image, [])
        boxes = np.array([item["bbox"] for item in items], np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        crowds = np.array([bool(item["iscrowd"]) for item in items], np.bool_)
        return boxes, np.array([item["category_id"] for item in items], np.intp), crowds


def _coco(document: dict[str, Any], annotations: list[dict[str, Any]]) -> COCO:
    """Boxes as pycocotools holds them: those of the ground truth, or those that were detected.

    pycocotools' own `loadRes` adds an outline to every box, and refuses an empty list.
    """
    made = COCO()
    made.dataset = document | {"annotations": _complete(annotations)}
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        made.createIndex()
    return made


def _complete(annotations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The annotations with all that pycocotools asks for.

    It takes an object with the id 0 for none, so they are numbered anew.
    """
    return [
        {"area": item["bbox"][2] * item["bbox"][3], "iscrowd": 0} | item | {"id": number}
        for number, item in enumerate(annotations, 1)
    ]


def _rows(seen: Detections, category_ids: npt.NDArray[np.intp]) -> list[tuple[list[float], float, int]]:
    keep = category_ids[seen.class_id] != NOT_SCORED
    seen = seen[np.flatnonzero(keep)]
    boxes = seen.xyxy.astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    return list(zip(boxes.tolist(), seen.score.tolist(), category_ids[seen.class_id].tolist(), strict=True))


def _near(name: str, names: Sequence[str] | dict[str, int]) -> str:
    found = difflib.get_close_matches(name, list(names), 1)
    return f"; did you mean {found[0]!r}?" if found else ""


def read_truth(annotations: Path, images: Path) -> Truth:
    """Read annotated pictures.

    Args:
        annotations: COCO's "instances" file.
        images: Folder with the pictures that the file names.

    Raises:
        SourceError: The file is missing or has another format, or pictures are missing.
    """
    document = _read(annotations)
    if not images.is_dir():
        raise SourceError(f"{images}: no such folder of pictures")
    found = [(item["id"], images / item["file_name"]) for item in document["images"]]
    missing = [path for _, path in found if not path.is_file()]
    if missing:
        raise SourceError(
            f"{images}: {len(missing)} of the {len(found)} pictures that {annotations} names are "
            f"missing, such as {missing[0].name}"
        )
    return Truth(document, found)


def truth_of(
    found: Sequence[Detections], pictures: Sequence[Path], names: Sequence[str], confidence: float
) -> Truth:
    """Use the detections of one detector as ground truth for another.

    Args:
        found: Detections of each picture.
        pictures: The pictures.
        names: Class names, by class id.
        confidence: Minimum score of a detection that counts as truth.
    """
    annotations: list[dict[str, Any]] = []
    for image, seen in enumerate(found):
        sure = seen[np.flatnonzero(seen.score >= confidence)]
        for (left, top, right, bottom), kind in zip(sure.xyxy.tolist(), sure.class_id.tolist(), strict=True):
            box = [left, top, right - left, bottom - top]
            area = box[2] * box[3]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": kind,
                    "bbox": box,
                    "area": area,
                    "iscrowd": 0,
                }
            )
    document = {
        "images": [{"id": image} for image in range(len(pictures))],
        "annotations": annotations,
        "categories": [{"id": kind, "name": name} for kind, name in enumerate(names)],
    }
    return Truth(document, list(enumerate(pictures)))


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise SourceError(f"{path}: is not JSON ({error})") from None
    keys = {
        "images": ("id", "file_name"),
        "annotations": ("image_id", "category_id", "bbox"),
        "categories": ("id", "name"),
    }
    for key, fields in keys.items():
        items = document.get(key) if isinstance(document, dict) else None
        if (
            not isinstance(items, list)
            or not items
            or not all(field in item for item in items for field in fields)
        ):
            raise SourceError(
                f"{path}: is not a COCO annotation file; it needs {key!r}, each with {', '.join(fields)}"
            )
    for item in document["annotations"]:
        if not _is_box(item["bbox"]):
            raise SourceError(
                f"{path}: the bbox {item['bbox']!r} of picture {item['image_id']!r} is not x, y, width and "
                "height in pixels"
            )
    return dict(document)


def _is_box(value: object) -> bool:
    """Whether a value is four finite numbers, the last two of them at least 0."""
    if not isinstance(value, list) or len(value) != 4:
        return False
    finite = all(isinstance(number, (int, float)) and math.isfinite(number) for number in value)
    return finite and bool(min(value[2:]) >= 0)
