"""Films of small people in a large picture, whose truth is known: cut-outs on an enlarged photograph.

The cut-outs are people of `coco_mini_val`, along their annotated outlines, shrunk to the wanted height.
They walk in front of a photograph without people, alone and in groups, hide each other, come, go and stand.
Everything depends on the seed alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge_node.frames import I64, Detections
from edge_node.pictures import U8
from optimization.measure import mot
from shared.geometry import F64

_LEAST_SOURCE = 90  # height of a person in the photograph, pixels; smaller ones would be blurred
_LEAST_TALL, _MOST_TALL = 1.6, 4.5  # height in widths of whole people who stand or walk
_MARGIN = 3  # pixels to the photograph's edge, which cuts people
_LEVEL = 8  # mean of the sensor's noise before it is subtracted again, grey levels
_SHOWN = 0.4  # an object of which less is visible is no part of the truth in that frame

TEST = range(100, 200)
"""Seeds whose people and backgrounds are others than those of all other seeds: settle numbers on the others,
and report these."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What is filmed.

    Attributes:
        seed: Of all choices.
        people: How many there are at a time.
        frames: Length.
        rate: Frames per second.
        size: Width and height of the picture.
        heights: Least and greatest height of people, pixels.
        speeds: Least and greatest speed of those who walk, in their heights per second.
        standing: Share of the people who stand.
        groups: Share of the people who walk beside others.
    """

    seed: int
    people: int = 60
    frames: int = 60
    rate: float = 10.0
    size: tuple[int, int] = (3840, 2160)
    heights: tuple[float, float] = (24.0, 60.0)
    speeds: tuple[float, float] = (0.2, 1.2)
    standing: float = 0.2
    groups: float = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One frame and its truth.

    Attributes:
        image: u8 ``(H, W, 3)``, BGR.
        ids: Identities ``(N,)``.
        boxes: Their boxes ``(N, 4)``, pixels, inside the picture.
    """

    image: U8
    ids: I64
    boxes: F64


class Photographs:
    """The photographs that scenes are made of.

    Args:
        data: Folder of `coco_mini_val`.
        half: Which half of the people and of the backgrounds to use, 0 or 1.
    """

    def __init__(self, data: Path, half: int) -> None:
        document: dict[str, Any] = json.loads((data / "instances.json").read_text(encoding="utf-8"))
        person = next(one["id"] for one in document["categories"] if one["name"] == "person")
        people = [one for one in document["annotations"] if one["category_id"] == person]
        peopled = {one["image_id"] for one in people}
        self._folder = data / "images"
        self._images = {one["id"]: one for one in document["images"]}
        self._empty = [one for one in document["images"] if one["id"] not in peopled][half::2]
        self._people = [one for one in people if self._whole(one)][half::2]

    def _whole(self, person: dict[str, Any]) -> bool:
        """Whether an annotation shows all of somebody who stands or walks."""
        x, y, width, height = person["bbox"]
        image = self._images[person["image_id"]]
        return (
            not person["iscrowd"]
            and len(person["segmentation"]) == 1  # several parts: something hides the middle
            and height >= _LEAST_SOURCE
            and _LEAST_TALL * width < height < _MOST_TALL * width
            and min(x, y) > _MARGIN
            and x + width < image["width"] - _MARGIN
            and y + height < image["height"] - _MARGIN
        )

    def _read(self, image: dict[str, Any]) -> U8:
        picture = cv2.imread(str(self._folder / image["file_name"]))
        if picture is None:
            raise FileNotFoundError(self._folder / image["file_name"])
        return np.asarray(picture, np.uint8)

    def cutouts(self) -> list[U8]:
        """People ``(h, w, 4)``: BGR and opacity, at the size of their photographs."""
        found = []
        for person in self._people:
            picture = self._read(self._images[person["image_id"]])
            outline = np.array(person["segmentation"][0], np.float32).reshape(-1, 2)
            opacity = np.zeros(picture.shape[:2], np.uint8)
            cv2.fillPoly(opacity, [outline.round().astype(np.int32)], 255)
            x, y, width, height = cv2.boundingRect(opacity)
            place = slice(y, y + height), slice(x, x + width)
            found.append(np.dstack((picture[place], opacity[place])))
        return found

    def background(self, size: tuple[int, int], rng: np.random.Generator) -> U8:
        """A photograph without people, enlarged; grain stands for the detail that it lacks.

        Args:
            size: Width and height.
            rng: Chooses.
        """
        photograph = self._read(self._empty[rng.integers(len(self._empty))])
        width, height = size
        rows = min(photograph.shape[0], round(photograph.shape[1] * height / width))
        top = (photograph.shape[0] - rows) // 2
        enlarged = cv2.resize(photograph[top : top + rows], size, interpolation=cv2.INTER_CUBIC)
        fine = rng.standard_normal((height, width, 1), np.float32) * 3
        coarse = rng.standard_normal((height // 4, width // 4), np.float32) * 4
        grain = fine + cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR)[:, :, None]
        return np.clip(enlarged + grain, 0, 255).astype(np.uint8)


@dataclass(slots=True, eq=False)
class _Person:
    cutout: U8  # (h, w, 4), BGR and opacity, at its size in the film
    feet: F64  # where it stands in the first frame, x and y, pixels
    velocity: F64  # pixels per second
    phase: float  # of its steps, radians

    def place(self, at_s: float) -> tuple[int, int]:
        """Left and top of the cut-out."""
        height, width = self.cutout.shape[:2]
        x, y = self.feet + self.velocity * at_s
        step = 0.02 * height * np.sin(12.0 * at_s + self.phase) * (self.velocity.any())
        return round(x - width / 2), round(y - height + step)


def film(scene: Scene, data: Path) -> Iterator[Picture]:
    """The frames of a scene.

    Args:
        scene: What is filmed.
        data: Folder of `coco_mini_val`.
    """
    rng = np.random.default_rng(scene.seed)
    photographs = Photographs(data, scene.seed in TEST)
    background = photographs.background(scene.size, rng)
    people = _people(scene, photographs.cutouts(), rng)
    width, height = scene.size
    noise = (rng.standard_normal((height + 64, width + 64, 3), np.float32) * 2 + _LEVEL).round()
    noise = np.clip(noise, 0, 255).astype(np.uint8)
    level = np.full(4, _LEVEL, np.float64)
    for index in range(scene.frames):
        picture = _picture(background, people, index / scene.rate)
        x, y = rng.integers(64, size=2)
        cv2.add(picture.image, noise[y : y + height, x : x + width], dst=picture.image)
        cv2.subtract(picture.image, level, dst=picture.image)
        yield picture


def save(scene: Scene, data: Path, folder: Path) -> tuple[Path, Path]:
    """Write a scene as pictures and as a MOTChallenge sequence; return the folder of each.

    Args:
        scene: What is filmed.
        data: Folder of `coco_mini_val`.
        folder: Where to write.
    """
    pictures, truth = folder / "pictures", []
    pictures.mkdir(parents=True)
    for index, picture in enumerate(film(scene, data)):
        cv2.imwrite(str(pictures / f"{index:04d}.jpg"), picture.image, [cv2.IMWRITE_JPEG_QUALITY, 95])
        truth.append((picture.ids, picture.boxes))
    nothing = [Detections.empty()] * len(truth)
    mot.write(folder / "truth", mot.Sequence("truth", scene.rate, nothing, truth))
    return pictures, folder / "truth"


def _people(scene: Scene, cutouts: list[U8], rng: np.random.Generator) -> list[_Person]:
    """Everybody in the film, the farthest away first: who stands lower is nearer, and hides the others.

    Further ones wait outside, so that about as many come as go.
    """
    people: list[_Person] = []
    size = np.array(scene.size)
    length_s = scene.frames / scene.rate
    while len(people) < 2 * scene.people:
        height = rng.uniform(*scene.heights)
        beside = people[-1] if people and rng.random() < scene.groups else None
        if beside is not None:
            height = beside.cutout.shape[0] * rng.uniform(0.9, 1.1)
        cutout = _shrunk(cutouts[rng.integers(len(cutouts))], height, rng)
        stands = rng.random() < scene.standing
        angle = rng.choice([0.0, np.pi]) + rng.normal(0, 0.4)
        speed = 0.0 if stands else height * rng.uniform(*scene.speeds)
        velocity = speed * np.array([np.cos(angle), np.sin(angle)])
        feet = rng.uniform((0, height), size)
        if beside is not None:
            velocity = beside.velocity * rng.uniform(0.9, 1.1)
            feet = beside.feet + height * rng.uniform((0.3, -0.3), (0.9, 0.3)) * rng.choice([-1, 1])
        elif len(people) >= scene.people:  # comes in during the film
            if stands:
                continue
            feet = feet - velocity * rng.uniform(0, length_s)
            feet[0] = rng.uniform(-speed * length_s, 0) if velocity[0] > 0 else size[0] + speed * length_s
        people.append(_Person(cutout, feet, velocity, rng.uniform(0, 2 * np.pi)))
    return sorted(people, key=lambda person: float(person.feet[1]))


def _shrunk(cutout: U8, height: float, rng: np.random.Generator) -> U8:
    """A cut-out at this height, perhaps mirrored, in another light."""
    scale = height / cutout.shape[0]
    size = max(4, round(cutout.shape[1] * scale)), round(height)
    # Colours outside of the outline must not bleed into the edge.
    opacity = cutout[:, :, 3:].astype(np.float32) / 255
    solid = cv2.resize(cutout[:, :, :3] * opacity, size, interpolation=cv2.INTER_AREA)
    small = cv2.resize(opacity, size, interpolation=cv2.INTER_AREA)[:, :, None]
    colour = np.clip(solid / np.maximum(small, 1e-3) * rng.uniform(0.8, 1.15), 0, 255)
    found = np.dstack((colour, small * 255)).astype(np.uint8)
    return found[:, ::-1] if rng.random() < 0.5 else found


def _picture(background: U8, people: list[_Person], at_s: float) -> Picture:
    """One frame: everybody is painted over those who are farther away."""
    image = background.copy()
    owner = np.full(image.shape[:2], -1, np.int32)  # who is visible at each pixel
    boxes, solid = np.zeros((len(people), 4)), np.zeros(len(people))
    for number, person in enumerate(people):
        left, top = person.place(at_s)
        height, width = person.cutout.shape[:2]
        x1, y1 = max(left, 0), max(top, 0)
        x2, y2 = min(left + width, image.shape[1]), min(top + height, image.shape[0])
        if x1 >= x2 or y1 >= y2:
            continue
        part = person.cutout[y1 - top : y2 - top, x1 - left : x2 - left]
        opacity = part[:, :, 3:].astype(np.float32) / 255
        there = image[y1:y2, x1:x2]
        there[:] = (part[:, :, :3] * opacity + there * (1 - opacity)).round()
        owner[y1:y2, x1:x2][opacity[:, :, 0] > 0.5] = number
        boxes[number] = x1, y1, x2, y2
        solid[number] = np.count_nonzero(person.cutout[:, :, 3] > 127)
    seen = np.bincount(owner[owner >= 0], minlength=len(people))
    true = (seen >= _SHOWN * solid) & (solid > 0)
    return Picture(image, np.flatnonzero(true) + 1, boxes[true])
