"""Options that several commands share, so that each means the same everywhere."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import get_args

import msgspec

from edge_node.assets.names import Layout
from edge_node.config.tile_settings import TileSettings
from optimization.detectors import default_model
from shared import typed
from shared.configuration import declared, explain
from shared.configuration.yaml_file import Plain
from shared.errors import ConfigError


def add_network(parser: argparse.ArgumentParser, *, engine: bool = False) -> None:
    """Declare which network runs and how; `detectors.settings` reads these options.

    Args:
        parser: The command's parser.
        engine: Whether users choose the engine; if not, ONNX Runtime runs the network.
    """
    add_model(parser)
    parser.add_argument("--layout", choices=("auto", *get_args(Layout)), help="how the output is read")
    parser.add_argument("--labels", metavar="NAME,...", help="class names, for models that carry none")
    add_threads(parser)
    parser.set_defaults(backend="onnxruntime")
    if engine:
        parser.set_defaults(backend=None)
        parser.add_argument("--backend", metavar="NAME", help="engine (default: the fastest that runs here)")
        parser.add_argument(
            "--input-size", type=int, metavar="N", help="longer side, for models that take any size"
        )


def add_model(parser: argparse.ArgumentParser, about: str = "path or name") -> None:
    """Declare --model; the default is the model that comes with Darner."""
    parser.add_argument("--model", default=default_model(), help=f"{about} (default: %(default)s)")


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Declare --threads."""
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads for one inference")


def add_tracker(parser: argparse.ArgumentParser) -> None:
    """Declare --tracker."""
    parser.add_argument("--tracker", choices=("bytetrack", "ocsort"), default="bytetrack")


def add_picture(parser: argparse.ArgumentParser) -> None:
    """Declare the picture that a timed network is given, and the number of calls."""
    parser.add_argument(
        "--picture",
        type=Path,
        metavar="FILE",
        help="picture to detect on (default: the demo video's first frame)",
    )
    parser.add_argument(
        "--resolution",
        type=size,
        default=(1280, 720),
        metavar="WxH",
        help="scale the picture to this size (default: 1280x720)",
    )
    parser.add_argument(
        "--rounds", type=positive, default=50, metavar="N", help="calls to time (default: 50)"
    )
    add_threads(parser)


def add_truth(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Declare the options that name pictures and annotations."""
    parser.add_argument("--images", type=Path, required=required, metavar="DIR", help="folder of pictures")
    parser.add_argument(
        "--annotations", type=Path, required=required, metavar="FILE", help="their instances.json"
    )
    add_classes(parser)


def add_classes(parser: argparse.ArgumentParser) -> None:
    """Declare --classes."""
    parser.add_argument(
        "--classes", type=names, default=(), metavar="NAME,...", help="score only these (default: all)"
    )


def add_plot(parser: argparse.ArgumentParser) -> None:
    """Declare the picture of a measurement, which `measure.draw.measured` draws."""
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help="draw accuracy against latency; without ground truth, only latency (.png, .svg or .pdf)",
    )


def ground_truth(args: argparse.Namespace) -> bool:
    """Whether the options of `add_truth` name ground truth.

    Raises:
        ConfigError: They name half of it.
    """
    if bool(args.images) != bool(args.annotations):
        raise ConfigError("accuracy needs both --images and --annotations")
    return bool(args.annotations)


def add_check(parser: argparse.ArgumentParser) -> None:
    """Declare the pictures on which a new network is compared with its original."""
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="pictures to check the result on (default: a frame of the demo video)",
    )


def add_keep_float(parser: argparse.ArgumentParser, about: str) -> None:
    """Declare --keep-float."""
    parser.add_argument("--keep-float", default="auto", metavar="auto|none|NODE,...", help=about)


def add_output(parser: argparse.ArgumentParser, default: str, *flags: str) -> None:
    """Declare --output.

    Args:
        parser: The command's parser.
        default: Default file name, in which NAME stands for the model's name.
        flags: Other names of the option.
    """
    parser.add_argument(
        "--output", *flags, type=Path, metavar="FILE", help=f"default: {default} in this folder"
    )


def add_tiles(parser: argparse.ArgumentParser) -> None:
    """Declare --tiles."""
    parser.add_argument(
        "--tiles",
        type=tiles,
        metavar="auto|COLUMNSxROWS|KEY=VALUE,...",
        help="look at parts of the picture, as the key tiles of a camera has it: auto, 3x2, or keys such as "
        "runs=4 or columns=3,rows=2,overlap=0.1 (default: the whole picture)",
    )


def tiles(text: str) -> TileSettings:
    """Parse tiles: ``auto``, a grid such as ``3x2``, or the keys of `TileSettings`.

    Raises:
        argparse.ArgumentTypeError: The text is something else, or the keys contradict each other.
    """
    if text == "auto":
        return TileSettings()
    columns, x, rows = text.partition("x")
    if x and columns.isdigit() and rows.isdigit():
        text = f"columns={columns},rows={rows}"
    pairs = [part.partition("=") for part in text.split(",")]
    values = declared.typed(TileSettings, {key.strip(): Plain(value.strip()) for key, _, value in pairs})
    known = [one.name for one in fields(TileSettings)]
    if not set(values) <= set(known):
        raise argparse.ArgumentTypeError(
            f"{text!r} are no tiles; write auto, a grid such as 3x2, or key=value with {', '.join(known)}"
        )
    try:
        return typed.convert(values, TileSettings)
    except msgspec.ValidationError:
        said = explain.misfit(TileSettings, values, lambda key: key or repr(text))
        raise argparse.ArgumentTypeError(str(said)) from None


def names(text: str) -> tuple[str, ...]:
    """Parse names separated by commas."""
    return tuple(name.strip() for name in text.split(","))


def positive(text: str) -> int:
    """Parse a whole number above 0.

    Raises:
        argparse.ArgumentTypeError: The text is something else.
    """
    if not text.strip().isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def size(text: str) -> tuple[int, int]:
    """Parse an input size: ``416`` or ``640x384`` (width x height).

    Raises:
        argparse.ArgumentTypeError: The text is something else.
    """
    parts = text.lower().split("x")
    try:
        numbers = [int(part) for part in parts]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 2 or min(numbers) < 32 or max(numbers) > 8192:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; write 416 or 640x384 (width x height)")
    return numbers[0], numbers[-1]
