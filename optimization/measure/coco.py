"""Ground truth in COCO's format, and COCO's average precision of a detector.

Source: Lin et al., "Microsoft COCO: Common Objects in Context", and its evaluation code, `pycocotools`.
"""

from __future__ import annotations

import contextlib
import copy
import difflib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from edge_node.frames import Detections
from shared.errors import ConfigError, SourceError

NOT_SCORED = -1


@dataclass(frozen=True, slots=True)
class Scores:
    """Average precision, 0..1.

    Attributes:
        ap: Average precision, as the mean over IoU thresholds 0.50 to 0.95 and over classes.
        ap50: Average precision at IoU 0.50.
        ap75: Average precision at IoU 0.75.
        per_class: `ap` by class name, for the classes with ground truth.
    """

    ap: float
    ap50: float
    ap75: float
    per_class: dict[str, float]


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
        self._coco = COCO()
        self._coco.dataset = document
        with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
            self._coco.createIndex()
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
        """COCO's average precision, over at most 100 detections a picture.

        Args:
            found: Detections of each picture, in the order of `pictures`.
            category_ids: What `match` returned.
        """
        rows = [
            {"image_id": image, "category_id": int(category), "bbox": box, "score": score}
            for (image, _), seen in zip(self.pictures, found, strict=True)
            for box, score, category in _rows(seen, category_ids)
        ]
        scored = sorted({int(category) for category in category_ids} - {NOT_SCORED})
        if not rows:  # pycocotools cannot load an empty list
            names = {name: 0.0 for name, id_ in self.categories.items() if id_ in scored}
            return Scores(0.0, 0.0, 0.0, names)
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation = COCOeval(self._coco, self._coco.loadRes(copy.copy(rows)), "bbox")
            evaluation.params.catIds = scored
            evaluation.evaluate()
            evaluation.accumulate()
        # precision: (IoU thresholds, recall thresholds, classes, areas, limits); -1 where there is no truth
        precision = evaluation.eval["precision"][:, :, :, 0, -1]
        by_id = {id_: name for name, id_ in self.categories.items()}
        per_class = {
            by_id[id_]: _mean(precision[:, :, k])
            for k, id_ in enumerate(scored)
            if (precision[:, :, k] >= 0).any()
        }
        return Scores(_mean(precision), _mean(precision[0]), _mean(precision[5]), per_class)


def _rows(seen: Detections, category_ids: npt.NDArray[np.intp]) -> list[tuple[list[float], float, int]]:
    keep = category_ids[seen.class_id] != NOT_SCORED
    seen = seen[np.flatnonzero(keep)]
    boxes = seen.xyxy.astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    return list(zip(boxes.tolist(), seen.score.tolist(), category_ids[seen.class_id].tolist(), strict=True))


def _mean(precision: npt.NDArray[np.float64]) -> float:
    there = precision[precision >= 0]
    return round(float(there.mean()), 4) if len(there) else 0.0


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
    return dict(document)
