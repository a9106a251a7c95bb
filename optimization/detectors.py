"""Detectors as the command lines name them."""

from __future__ import annotations

import argparse
from typing import Any, get_args

import msgspec

from edge_node.config import ModelSettings
from edge_node.models import Layout
from shared.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser, *, engine: bool = False) -> None:
    """Declare the options that say which network runs, and how.

    Args:
        parser: Of the command.
        engine: Let the engine be chosen; without, ONNX Runtime runs it.
    """
    parser.add_argument("--model", default=default_model(), help="path or name (default: %(default)s)")
    parser.add_argument("--layout", choices=("auto", *get_args(Layout)), help="how the output is read")
    parser.add_argument("--labels", metavar="NAME,...", help="class names, for models that carry none")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads for one inference")
    parser.set_defaults(backend="onnxruntime")
    if engine:
        parser.set_defaults(backend=None)
        parser.add_argument("--backend", metavar="NAME", help="engine (default: the fastest that runs here)")
        parser.add_argument(
            "--input-size", type=int, metavar="N", help="longer side, for models that take any size"
        )


def default_model() -> str:
    """The model of a node that is told none."""
    return ModelSettings().name


def settings(args: argparse.Namespace, **changes: Any) -> ModelSettings:
    """The settings that `add_arguments` and these changes make.

    Args:
        args: What `add_arguments` declared.
        changes: Other keys of `ModelSettings`.

    Raises:
        ConfigError: A value is not allowed.
    """
    labels = args.labels.split(",") if args.labels else None
    given = {"name": args.model, "labels": labels, "input_size": getattr(args, "input_size", None)}
    keys = ("backend", "layout", "threads")
    return build(**(given | {key: getattr(args, key) for key in keys} | changes))


def build(**keys: Any) -> ModelSettings:
    """Settings of these keys; None leaves one at its default.

    Raises:
        ConfigError: A value is not allowed.
    """
    try:
        return msgspec.convert(
            {key: value for key, value in keys.items() if value is not None}, ModelSettings
        )
    except msgspec.ValidationError as error:
        raise ConfigError(f"settings of the detector: {error}") from None


def size(text: str) -> tuple[int, int]:
    """An input size from the command line: ``416`` or ``640x384`` (width x height).

    Raises:
        argparse.ArgumentTypeError: It is neither.
    """
    parts = text.lower().split("x")
    try:
        numbers = [int(part) for part in parts]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 2 or min(numbers) < 32 or max(numbers) > 8192:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write 416 or 640x384 (width x height)")
    return numbers[0], numbers[-1]
