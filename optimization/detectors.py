"""Detectors as the command lines name them."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any, get_args

import msgspec

from edge_node.config import ModelSettings
from edge_node.models import Layout
from shared.errors import ConfigError

_FIELDS = {field.name for field in dataclasses.fields(ModelSettings)}


def add_arguments(parser: argparse.ArgumentParser, *, model: bool = True) -> None:
    """Declare the options that say which network runs, and how.

    Args:
        parser: Of the command.
        model: Declare --model as well.
    """
    if model:
        parser.add_argument(
            "--model", default=ModelSettings().name, help="path or name (default: %(default)s)"
        )
    parser.add_argument("--backend", metavar="NAME", help="engine (default: the fastest that runs here)")
    parser.add_argument("--layout", choices=("auto", *get_args(Layout)), help="how the output is read")
    parser.add_argument("--labels", metavar="NAME,...", help="class names, for models that carry none")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads for one inference")


def settings(args: argparse.Namespace, **changes: Any) -> ModelSettings:
    """The settings that `add_arguments` and these changes make.

    Args:
        args: What `add_arguments` declared.
        changes: Other keys of `ModelSettings`; None leaves a key at its default.

    Raises:
        ConfigError: A value is not allowed.
    """
    given: dict[str, Any] = {
        "name": getattr(args, "model", None),
        "backend": args.backend,
        "layout": args.layout,
        "labels": args.labels.split(",") if args.labels else None,
        "threads": args.threads,
    }
    chosen = {key: value for key, value in (given | changes).items() if value is not None}
    for key in chosen:
        if key not in _FIELDS:
            raise ConfigError(f"--{key.replace('_', '-')}: this version has no such setting of the detector")
    try:
        return msgspec.convert(chosen, ModelSettings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"model settings: {error}") from None


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
