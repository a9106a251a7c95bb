from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from optimization.dataset import contents
from optimization.dataset.check import FAULTS, NEAR, WARNINGS, check
from optimization.dataset.reading import find
from tests.optimization.dataset.drawn import CAT, DOG, coco, paint


def spoiled(root: Path) -> Path:
    """A dataset with one of each kind of finding that COCO's format can have, and what kinds those are."""
    pictures = root / "images"
    Image.open(paint(pictures / "source.png", 900, (640, 480))).save(pictures / "cut.jpg", quality=95)
    (pictures / "cut.jpg").write_bytes((pictures / "cut.jpg").read_bytes()[:-4000])
    (pictures / "text.jpg").write_text("no picture")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(paint(pictures / "upright.png", 901, (64, 96))).save(pictures / "turned.jpg", exif=exif)
    Image.open(paint(pictures / "upright.png", 902)).save(pictures / "wrong.jpg", exif=exif)
    for name in ("upright.png", "source.png"):
        (pictures / name).unlink()
    paint(pictures / "extra.png", 903)
    paint(pictures / "one.png", 904)
    (pictures / "copy.png").write_bytes((pictures / "one.png").read_bytes())
    Image.open(pictures / "one.png").convert("RGB").save(pictures / "again.jpg", quality=60)
    (pictures / "leaked.png").write_bytes((pictures / "one.png").read_bytes())
    train: dict[str, Sequence[Sequence[float]]] = {
        name: []
        for name in ("cut.jpg", "text.jpg", "turned.jpg", "wrong.jpg", "one.png", "copy.png", "again.jpg")
    }
    boxes = [
        (CAT, 10, 10, 20, 20),
        (CAT, 10, 10, 20, 20),
        (CAT, 40, 10, -20, 20),
        (CAT, 10, 10, 0, 20),
        (CAT, 200, 10, 20, 20),
        (CAT, 80, 10, 20, 20),
        (CAT, 10, 10, 2, 20),
    ]
    zebra = {"categories": [{"id": n, "name": name} for n, name in enumerate(("zebra", "cat", "dog"))]}
    coco(root, {**train, "gate_1.png": boxes, "gone.png": []}, "annotations/instances_train.json", zebra)
    (pictures / "gone.png").unlink()
    coco(
        root, {"leaked.png": [(DOG, 1, 1, 50, 50)], "gate_2.png": []}, "annotations/instances_val.json", zebra
    )
    val = root / "annotations" / "instances_val.json"
    document = json.loads(val.read_text())
    for image, kind, box in ((7, 2, [1, 1, 5, 5]), (1, 9, [1, 1, 5, 5]), (1, 2, [1])):
        document["annotations"].append({"image_id": image, "category_id": kind, "bbox": box})
    val.write_text(json.dumps(document))
    return root


def test_each_kind_of_finding_is_found_where_it_is_and_nowhere_else(tmp_path: Path) -> None:
    found = find(spoiled(tmp_path))
    seen = contents.contents([item.path for item in found.dataset.items], progress=False)
    places = {
        one.kind: [Path(place.split(" ")[0]).name for place in one.places] for one in check(found, seen)
    }
    gate, one = ["gate_1.png"], ["one.png"]
    assert places == {
        "picture-missing": ["gone.png"],
        "picture-unreadable": ["text.jpg"],
        "picture-cut": ["cut.jpg"],
        "size-differs": ["wrong.jpg"],
        "line-broken": ["instances_val.json:"],
        "class-unknown": ["instances_val.json:"],
        "box-broken": ["instances_val.json:"],
        "box-inverted": gate,
        "box-empty": gate,
        "box-outside": gate,
        "leak-exact": one,
        "leak-near": ["leaked.png"],
        "leak-group": ["gate:"],
        "duplicate-exact": ["copy.png"],
        "duplicate-near": ["again.jpg"],
        "picture-turned": ["turned.jpg"],
        "picture-unlabelled": ["extra.png"],
        "box-beyond": gate,
        "box-tiny": gate,
        "box-twice": gate,
        "class-unused": ["zebra"],
        "class-missing": ["cat:", "dog:"],
    }
    assert places.keys() == FAULTS.keys() | WARNINGS.keys() - {"annotation-stray"}


def test_a_text_file_without_its_picture_is_found(tmp_path: Path) -> None:
    paint(tmp_path / "images" / "a.png", 1)
    (tmp_path / "labels").mkdir()
    for name in ("a", "b"):
        (tmp_path / "labels" / f"{name}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    found = find(tmp_path)
    findings = check(found, contents.contents([tmp_path / "images" / "a.png"], progress=False))
    assert [(one.kind, one.level, [Path(place).name for place in one.places]) for one in findings] == [
        ("annotation-stray", "warning", ["b.txt"])
    ]


def test_the_same_picture_is_known_again_and_others_are_not(tmp_path: Path) -> None:
    fingerprints = []
    for seed in range(40):
        pixels = cv2.imread(str(paint(tmp_path / "a.png", seed, (320, 240))), cv2.IMREAD_GRAYSCALE)
        assert pixels is not None
        grey = np.asarray(pixels, np.uint8)
        first = contents.fingerprint(grey)
        assert first is not None
        jpeg = cv2.imdecode(
            cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_GRAYSCALE
        )
        for other in (jpeg, cv2.resize(grey, (160, 120), interpolation=cv2.INTER_AREA), grey // 2 + 40):
            again = contents.fingerprint(np.asarray(other, np.uint8))
            assert again is not None
            assert bin(first ^ again).count("1") <= NEAR
        fingerprints.append(first)
    assert list(contents.near_pairs(np.array(fingerprints, np.uint64), NEAR)) == []
    assert contents.fingerprint(np.full((40, 40), 128, np.uint8)) is None


@pytest.mark.parametrize("most", [0, 1, 6])
def test_pairs_are_those_that_differ_in_few_bits(most: int) -> None:
    random = np.random.default_rng(most)
    fingerprints = random.integers(0, 2**63, 60, dtype=np.uint64)
    flips = [
        sum(1 << int(bit) for bit in random.choice(64, count % 9, replace=False)) for count in range(120)
    ]
    fingerprints = np.append(fingerprints, fingerprints[np.arange(120) % 60] ^ np.array(flips, np.uint64))
    want = {
        (a, b)
        for a in range(180)
        for b in range(a)
        if bin(int(fingerprints[a]) ^ int(fingerprints[b])).count("1") <= most
    }
    pairs = ((*ones.tolist(), *others.tolist()) for ones, others in contents.near_pairs(fingerprints, most))
    found = {
        (max(both), min(both))
        for batch in pairs
        for both in zip(batch[: len(batch) // 2], batch[len(batch) // 2 :], strict=True)
    }
    assert found == want
