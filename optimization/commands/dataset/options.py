"""Options that the commands about datasets share, and the lines that they print."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from optimization.dataset import contents, mend, writing
from optimization.dataset.labelled import Dataset, digest
from optimization.dataset.reading import FORMATS, Format, Found, find, read
from optimization.dataset.texts import shown
from shared.errors import ConfigError, SourceError

NEEDS = ("PIL",)
SPLITS = ("train", "val", "test")


def add_dataset(parser: argparse.ArgumentParser) -> None:
    """Declare the dataset that a command reads."""
    parser.add_argument(
        "dataset", type=Path, help="folder in COCO's, YOLO's or Pascal VOC's format, COCO file or data.yaml"
    )


def add_out(parser: argparse.ArgumentParser) -> None:
    """Declare where and how a command writes a dataset."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="new folder for the result")
    parser.add_argument("--to", choices=FORMATS, help="its format (default: that of the first dataset)")
    parser.add_argument(
        "--pictures",
        choices=writing.PICTURES,
        default="link",
        help="link: a second name of each file, which takes no space; copy; refer: symbolic links to where "
        "they are (default: link)",
    )
    parser.add_argument(
        "--mend",
        action="store_true",
        help="skip what cannot be read, clip boxes to their pictures, and leave out empty and repeated ones",
    )


def add_near(parser: argparse.ArgumentParser, default: int) -> None:
    """Declare --near."""
    parser.add_argument(
        "--near",
        type=near,
        default=default,
        metavar="BITS",
        help="bits of 64 in which the fingerprints of pictures that look alike may differ; none: look for "
        "copies only (default: %(default)s)",
    )


def near(text: str) -> int:
    """Parse a number of bits; "none" is -1.

    Raises:
        argparse.ArgumentTypeError: The text is something else.
    """
    if text == "none":
        return -1
    if not text.isdecimal() or int(text) > MOST_NEAR:
        raise argparse.ArgumentTypeError(f"{text!r} is neither none nor a whole number from 0 to {MOST_NEAR}")
    return int(text)


MOST_NEAR = 12
"""Bits. Different photos differ in 16 and more, and the search takes longer with each bit."""


def load(path: Path, args: argparse.Namespace) -> tuple[Dataset, Format]:
    """Read a dataset, as --mend says, and print what it has and what got lost.

    Raises:
        SourceError: It cannot be read.
    """
    found = find(path)
    if found.problems and not args.mend:
        read(path)  # which says what the first problem is
    dataset = found.dataset
    print(f"{shown(path)}: {found.format}, {count(dataset)}")
    tell_lost(found)
    if args.mend:
        dataset = _mended(path, dataset)
        if found.problems:
            print(f"mended: {len(found.problems)} lines and pictures that cannot be read were skipped")
    return dataset, found.format


def _mended(path: Path, dataset: Dataset) -> Dataset:
    seen = contents.contents([item.path for item in dataset.items])
    whole = tuple(item for item, content in zip(dataset.items, seen, strict=True) if not content.damage)
    if not whole:
        raise SourceError(f"{shown(path)}: no picture can be read")
    dataset, counts = mend.mended(replace(dataset, items=whole))
    print(
        f"mended: {counts['clipped']} boxes clipped, {counts['left out']} left out; {len(seen) - len(whole)} "
        "damaged pictures left out"
    )
    return dataset


def tell_lost(found: Found) -> None:
    """Print what a dataset has no place for."""
    if found.lost:
        print(f"not kept, because a dataset here has boxes only: {_listed(found.lost)}")


def count(dataset: Dataset) -> str:
    """How many pictures, objects and classes, in words."""
    return f"{len(dataset.items)} pictures, {dataset.objects} objects, {len(dataset.names)} classes"


def save(dataset: Dataset, form: Format, args: argparse.Namespace) -> dict[str, Any]:
    """Write the dataset of --out and print what was written.

    Returns:
        What a report says about it.

    Raises:
        ConfigError: The folder is not new.
        OutputError: It cannot be written.
    """
    chosen: Format = args.to or form
    written = writing.write(dataset, args.out, chosen, args.pictures)
    if written.lost:
        print(f"not kept, because {chosen} has no place for them: {_listed(written.lost)}")
    if written.copied:
        print(f"copied instead of linked, because they are on another disk: {written.copied} pictures")
    objects = dataset.objects - written.lost["crowds"]
    print(
        f"written: {shown(args.out)}: {chosen}, {len(dataset.items)} pictures, {objects} objects, "
        f"{len(dataset.names)} classes"
    )
    parts = {split: len(dataset.part(split).items) for split in dataset.splits}
    return {
        "out": str(args.out),
        "format": chosen,
        "digest": digest(dataset),
        "pictures": parts,
        "lost": written.lost,
    }


def shares(text: str) -> dict[str, float]:
    """Parse the shares of splits, such as ``train=0.8,val=0.2``.

    Raises:
        argparse.ArgumentTypeError: The text is something else, or the shares do not add up to 1 or 100.
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = (word.strip() for word in part.partition("="))
        try:
            found[name] = float(value) if equals and name in SPLITS and name not in found else -1.0
        except ValueError:
            found[name] = -1.0
    total = sum(found.values())
    if not (min(found.values()) > 0 and min(abs(total - 1), abs(total - 100)) < 1e-6):  # also of NaN
        raise argparse.ArgumentTypeError(
            f"{text!r} are no shares; write a share for each of {', '.join(SPLITS)} that you want, which add "
            "up to 1 or 100, such as train=80,val=20"
        )
    return {name: share / total for name, share in found.items()}


def refuse_negative(seed: int) -> None:
    """Refuse a seed below 0.

    Raises:
        ConfigError: It is one.
    """
    if seed < 0:
        raise ConfigError(f"--seed must be at least 0, not {seed}")


def _listed(lost: Counter[str]) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in lost.items())
