"""Settings of the detectors that command lines name."""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

from edge_node.assets.models import DEFAULT
from edge_node.config.model_settings import ModelSettings
from shared import typed
from shared.errors import ConfigError


def default_model() -> str:
    """The model that comes with Darner: results must not depend on what is in the cache."""
    return DEFAULT


def settings(args: argparse.Namespace, **changes: Any) -> ModelSettings:
    """The detector's settings for a command line.

    Args:
        args: The options that `arguments.add_network` declared.
        changes: Values of other keys of `ModelSettings`.

    Raises:
        ConfigError: A value is not allowed.
    """
    labels = args.labels.split(",") if args.labels else None
    given = {"name": args.model, "labels": labels, "input_size": getattr(args, "input_size", None)}
    keys = ("backend", "layout", "threads")
    return build(**(given | {key: getattr(args, key) for key in keys} | changes))


def build(**keys: Any) -> ModelSettings:
    """Settings with these values; None leaves a key at its default.

    A TensorRT engine is waited for: what is measured must not be the engine that runs meanwhile.

    Raises:
        ConfigError: A value is not allowed.
    """
    try:
        return typed.convert(
            {"tensorrt": {"while_building": "wait"}}
            | {key: value for key, value in keys.items() if value is not None},
            ModelSettings,
        )
    except msgspec.ValidationError as error:
        raise ConfigError(f"settings of the detector: {error}") from None
