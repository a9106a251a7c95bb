"""`adapt`: makes a model better for one camera."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from optimization import arguments, files
from optimization.command import Command
from optimization.commands.learning import nightly
from shared.errors import ConfigError, ModelError
from shared.program import need
from shared.signals import interrupt_on_sigterm


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--model", default="built-in", help="the ONNX file that the node runs (default: %(default)s)"
    )
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="pictures of the camera")
    parser.add_argument("--video", type=Path, metavar="FILE", help="or a video of it")
    parser.add_argument(
        "--frames", type=arguments.positive, metavar="N", help="only the video's first N frames"
    )
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="PATH",
        help="annotated pictures instead: a folder, COCO file or data.yaml; --pictures then says where "
        "the pictures of a COCO file are, if not where it says",
    )
    parser.add_argument(
        "--teacher",
        type=arguments.names,
        default=(),
        metavar="MODEL,...",
        help="models that label the pictures instead; self: the model itself, which looks longer",
    )
    parser.add_argument(
        "--teacher-labels",
        type=arguments.names,
        default=(),
        metavar="NAME,...",
        help="class names, for teachers that carry none (default: COCO's)",
    )
    parser.add_argument(
        "--classes", type=arguments.names, default=(), metavar="NAME,...", help="learn only these"
    )
    parser.add_argument(
        "--keep",
        type=arguments.names,
        default=(),
        metavar="CLASS,...",
        help="other classes that must stay as good (default: all)",
    )
    parser.add_argument(
        "--keep-on",
        type=Path,
        metavar="FILE",
        help="COCO annotations to see that on, with their pictures beside them",
    )
    parser.add_argument("--keep-images", type=Path, metavar="DIR", help="or with their pictures here")
    parser.add_argument(
        "--epochs",
        type=arguments.positive,
        metavar="N",
        help="how often each picture is learnt from (default: so often that there are about 200 steps)",
    )
    parser.add_argument(
        "--minutes",
        type=_minutes,
        default=4.5,
        metavar="M",
        help="how long all may take, labelling and judging included; 0: as long as it takes (default: "
        "%(default)g)",
    )
    parser.add_argument(
        "--batch", type=arguments.positive, default=8, metavar="N", help="default: %(default)s"
    )
    parser.add_argument(
        "--rate", type=float, default=3e-4, metavar="R", help="learning rate (default: %(default)s)"
    )
    parser.add_argument(
        "--no-average", action="store_true", help="take the last weights, not an average (EMA)"
    )
    parser.add_argument(
        "--device", default="auto", choices=("auto", "cpu", "cuda"), help="auto: a GPU where there is one"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all random choices (default: 0)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the new model")
    parser.add_argument(
        "--rollback", type=Path, metavar="FILE", help="instead: swap this model with the one that it replaced"
    )
    nightly.declare(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Adapt, or go back.

    Args:
        args: The options that `declare` declared.

    Raises:
        DarnerError: Something cannot be used, or the model did not become better.
    """
    if args.rollback:
        return nightly.roll_back(args)
    if args.watch or args.once:
        return nightly.run(args)
    nightly.refuse_alone(args)
    tell = nightly.teller(args)
    if args.out is None:
        raise ConfigError("--out: name the file to write")
    for option, needed in (("frames", "video"), ("keep_images", "keep_on")):
        if getattr(args, option) is not None and getattr(args, needed) is None:
            raise ConfigError(f"--{option.replace('_', '-')}: goes with --{needed.replace('_', '-')}")
    files.claim(args.out, force=args.force)
    files.claim(args.json, force=args.force)
    need("torch", extra="train")
    with interrupt_on_sigterm():
        document = _adapt(args)
    if document["written"] is None:
        files.save_json(args.json, document)
        raise ModelError(f"{args.out}: was not written: the new model is {document['why']}")
    return document if tell is None else document | {"node": tell(args.out)}


def _adapt(args: argparse.Namespace) -> dict[str, Any]:
    # PyTorch's threads else wait for each other in a loop, which on a busy machine takes the time of those
    # that work: twice as much in all.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from optimization.training.adapt import adapt
    from optimization.training.fit import Plan

    if not 0 < args.rate < 1:
        raise ConfigError(f"--rate {args.rate}: must be above 0 and below 1")
    keep_on = (args.keep_on, args.keep_images or args.keep_on.parent) if args.keep_on else None
    done = adapt(
        args.model,
        args.pictures,
        out=args.out,
        video=args.video,
        frames=args.frames,
        labels=args.labels,
        teachers=args.teacher,
        teacher_labels=args.teacher_labels,
        classes=args.classes,
        keep=args.keep,
        keep_on=keep_on,
        plan=Plan(
            epochs=args.epochs,
            minutes=args.minutes or None,
            batch=args.batch,
            rate=args.rate,
            average=not args.no_average,
            seed=args.seed,
            device=args.device,
        ),
    )
    if done.written:
        print(f"{done.written}: {done.why}; {_others(done.others)}")
    return done.document()


def _others(others: dict[str, float]) -> str:
    if "ap_before" in others:
        return f"other classes: AP {others['ap_before']:.1f} -> {others['ap_after']:.1f}"
    if not others["objects"]:
        return "the pictures show nothing of the other classes: --keep-on says what became of them"
    return f"{others['agreement']:.0%} of the other classes' {others['objects']:.0f} objects stayed"


def _minutes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e5:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes: 0 or more")
    return value


COMMAND = Command(
    name="adapt",
    help="make a model better for one camera",
    description="Fine-tune the ONNX file that the node runs on pictures of one camera. The new file is "
    "written only if it is better on pictures that it did not learn from, and if other classes stay so.",
    declare=declare,
    run=run,
    needs=("onnx", "pycocotools"),
    extra="train",
)
