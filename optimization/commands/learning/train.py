"""`train`: a network learns a dataset, and comes out as the file that a node runs."""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimization import files
from optimization.command import Command
from optimization.commands import compare, quantize
from optimization.training.trainer import families
from optimization.training.trainer import run as settings
from optimization.training.trainer.recipe import Recipe
from shared.errors import ConfigError, OutputError
from shared.signals import interrupt_on_sigterm

if TYPE_CHECKING:
    from optimization.training.trainer.train import Trained

_DEFAULT = Recipe()
_OPTIONS = {"side": "--size", "average": "--no-ema", "mixed": "--no-amp"}
"""Options whose names are not those of what they set."""


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--data",
        type=Path,
        metavar="PATH",
        help="the dataset, split into train and val: a folder, COCO file or data.yaml",
    )
    parser.add_argument(
        "--model",
        metavar="NAME",
        default="yolox-nano",
        help=f"{', '.join(families.names())} (default: %(default)s)",
    )
    parser.add_argument(
        "--weights",
        default="none",
        metavar="none|FILE",
        help="local file to start with: an ONNX file of the same network, or a PyTorch checkpoint; none: "
        "random weights (default)",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for all that comes out"
    )
    _declare_recipe(parser)
    parser.add_argument(
        "--device",
        default="auto",
        metavar="DEVICE",
        help="auto, cpu, cuda, cuda:1, or cuda:0,1 for several GPUs",
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that prepare pictures (default: none without a GPU)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with the interrupted run of --out, with the options that it began with",
    )
    parser.add_argument(
        "--quantize",
        action="store_true",
        help="also write model_int8.onnx, calibrated on the pictures of train",
    )
    parser.add_argument(
        "--compare",
        nargs="+",
        default=(),
        metavar="MODEL",
        help="lay the result beside these models: time, and accuracy on val",
    )


def _declare_recipe(parser: argparse.ArgumentParser) -> None:
    whole = (
        ("epochs", "N", "how often each picture is seen"),
        ("batch", "N", "pictures for one step"),
        ("patience", "N", "end after so many epochs without a better one; 0: never"),
        ("seed", "N", "of all random choices"),
    )
    shares = (
        ("mosaic", "P", "chance that a picture is put together of four"),
        ("mixup", "P", "chance that another picture shines through such a one"),
        ("erase", "P", "chance that a part of a picture is erased"),
        ("scales", "SHARE", "how far the input's size varies from step to step"),
    )
    for kind, options in ((int, whole), (float, shares)):
        for name, shown, about in options:
            default = getattr(_DEFAULT, name)
            parser.add_argument(
                f"--{name}", type=kind, default=default, metavar=shown, help=f"{about} (default: %(default)s)"
            )
    parser.add_argument("--size", type=int, dest="side", metavar="N", help="width and height of the input")
    parser.add_argument(
        "--rate",
        type=float,
        metavar="R",
        help="learning rate (default: as its authors for --batch, a tenth of it with --weights)",
    )
    parser.add_argument(
        "--freeze",
        choices=("auto", "trunk", "none"),
        default=_DEFAULT.freeze,
        help="trunk: train only what finds objects, not what finds features; auto: so for weights of an ONNX "
        "file",
    )
    parser.add_argument(
        "--no-ema",
        dest="average",
        action="store_false",
        help="keep the weights themselves, not their average",
    )
    parser.add_argument(
        "--no-amp", dest="mixed", action="store_false", help="never half precision, on a GPU either"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Train, or go on; then quantise and compare, if that was asked for.

    Args:
        args: The options that `declare` declared.

    Raises:
        DarnerError: Something cannot be used, or training failed.
    """
    files.claim(args.json, force=args.force)
    try:
        with interrupt_on_sigterm():
            trained = _train(args)
            document = trained.document()
            print(_told(trained))
            if trained.before == trained.after:
                print(
                    "no epoch is better than the weights were, so they are kept: more pictures or a lower "
                    "--rate may help"
                )
            known = [str(trained.model)]
            if args.quantize or args.compare:
                document |= _beyond(args, trained, known)
    except KeyboardInterrupt:
        raise OutputError(f"interrupted; what is complete is in {args.out}") from None
    print(f"the node runs it with: model.name: {known[-1]}")
    return document


def _train(args: argparse.Namespace) -> Trained:
    # PyTorch's threads else wait for each other in a loop, which takes the time of those that work.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from optimization.training.trainer import train

    if args.resume:
        _check_resumed(args)
        return train.resume(args.out, device=args.device, workers=args.workers)
    if args.data is None:
        raise ConfigError("--data: name the dataset to learn from")
    return train.train(
        args.data,
        model=args.model,
        out=args.out,
        weights=None if args.weights == "none" else args.weights,
        recipe=Recipe(**{field.name: getattr(args, field.name) for field in fields(Recipe)}),
        device=args.device,
        workers=args.workers,
        force=args.force,
    )


def _check_resumed(args: argparse.Namespace) -> None:
    """Refuse options that a resumed run would not follow.

    Raises:
        ConfigError: One is given; the text names it.
    """
    if args.data:
        raise ConfigError("--resume: goes on with the dataset that the run began with; leave --data out")
    parser = argparse.ArgumentParser()
    declare(parser)
    begun = settings.load(args.out)
    known = {"model": begun.model, "weights": begun.weights} | asdict(begun.recipe)
    changed = [
        _OPTIONS.get(name, f"--{name}")
        for name, value in known.items()
        if getattr(args, name) not in (value, parser.get_default(name))
    ]
    if changed:
        raise ConfigError(
            f"--resume: goes on with the options that the run began with; leave {', '.join(changed)} out, or "
            "begin a new run"
        )


def _told(trained: Trained) -> str:
    before, after = trained.before, trained.after
    gain = f"AP {100 * before.ap:.1f} -> {100 * after.ap:.1f}" if before else f"AP {100 * after.ap:.1f}"
    classes = ", ".join(f"{name} {100 * ap:.1f}" for name, ap in after.per_class.items())
    return (
        f"{trained.model}: {gain}, AP50 {100 * after.ap50:.1f} on val, as a node sees it ({classes}); same "
        f"outputs as PyTorch within {trained.difference:.1e}"
    )


def _beyond(args: argparse.Namespace, trained: Trained, known: list[str]) -> dict[str, Any]:
    """Quantise and compare with the commands that do so; `known` gets the names of the new models."""
    from optimization.dataset import writing

    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        laid_out = Path(folder) / "data"
        writing.write(trained.dataset, laid_out, "coco", "refer")
        if args.quantize:
            target = trained.model.with_name("model_int8.onnx")
            words = ["--model", known[0], "--output", str(target), "--force"]
            words += ["--images", str(laid_out / "images" / "train")]
            found["quantize"] = _called(quantize.COMMAND, words)
            known.append(str(target))
        if args.compare:
            words = [*known, *args.compare, "--images", str(laid_out / "images" / "val")]
            words += ["--annotations", str(laid_out / "annotations" / "instances_val.json")]
            found["compare"] = _called(compare.COMMAND, words)
    return found


def _called(command: Command, words: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    command.declare(parser)
    parser.add_argument("--force", action="store_true")
    return command.run(parser.parse_args(words))


COMMAND = Command(
    name="train",
    help="train a detector on a dataset, and export it",
    description="Train a network on annotated pictures with LibreYOLO's trainer, and export it as the ONNX "
    "file that the node runs, with figures and plots. Weights are local files: nothing is downloaded.",
    declare=declare,
    run=run,
    needs=("onnx", "pycocotools"),
    extra="train",
)
