"""The options of `adapt` for every night and for the way back, and what they do."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_node.assets.models import find_model
from optimization import arguments, files
from optimization.training.nightly import ask
from shared.errors import ConfigError, OutputError
from shared.mqtt.address import MqttSettings
from shared.mqtt.command_line import broker_settings
from shared.program import need
from shared.signals import stop_on_signals

if TYPE_CHECKING:
    from optimization.training.nightly.night import Watched

_PASSED_ON = ("minutes", "epochs", "batch", "rate", "seed", "device", "keep_on", "keep_images")
_LISTS = ("teacher_labels", "classes", "keep")


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    group = parser.add_argument_group("every night")
    group.add_argument(
        "--watch", action="store_true", help="adapt --out to --collected every night, until stopped"
    )
    group.add_argument("--once", action="store_true", help="the same once, now, for a timer of the system")
    group.add_argument(
        "--collected", type=Path, metavar="DIR", help="where a node collects a camera's pictures"
    )
    group.add_argument("--at", type=_time, metavar="HH:MM", help="when, in local time (default: 03:00)")
    group.add_argument(
        "--new",
        type=arguments.positive,
        default=20,
        metavar="N",
        help="work once so many pictures are new (default: %(default)s)",
    )
    group.add_argument(
        "--least",
        type=arguments.positive,
        default=50,
        metavar="N",
        help="use labels once so many labelled pictures have objects (default: %(default)s)",
    )
    group.add_argument(
        "--night-minutes",
        type=arguments.positive,
        default=120,
        metavar="N",
        help="end a training that takes longer (default: %(default)s)",
    )
    group.add_argument(
        "--night-memory",
        type=arguments.positive,
        default=4000,
        metavar="MB",
        help="or takes more memory (default: %(default)s)",
    )
    group = parser.add_argument_group("the node that runs the file")
    group.add_argument(
        "--reload", metavar="URL", help="mqtt://HOST:PORT of its broker: ask it to load the new file"
    )
    group.add_argument("--node", metavar="NAME", help="its name")
    group.add_argument("--prefix", help="first levels of every topic (default darner/v1)")
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a connection setting, such as mqtt.username=viewer; DARNER_MQTT__PASSWORD_FILE=FILE in the "
        "environment is one, too",
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Watch, or work once.

    Raises:
        DarnerError: The options do not fit together, or a night that was to be worked once has failed.
    """
    from optimization.training.nightly import watch
    from optimization.training.nightly.night import night

    watched = _watched(args)
    need("torch", extra="train")
    with watch.locked(watched), stop_on_signals() as stop:
        if not args.once:
            watch.watch(watched, args.at or time(3), stop, say=_say)
            return {"stopped": True}
        found = night(watched, stop)
        watch.report(found, _say)
    if found.verdict == "failed":
        raise OutputError(found.why)
    return {name: getattr(found, name) for name in found.__dataclass_fields__}


def refuse_alone(args: argparse.Namespace) -> None:
    """Refuse options that say something of a night only, where no night is asked for.

    Raises:
        ConfigError: There is one.
    """
    for name in ("collected", "at"):
        if getattr(args, name) is not None:
            raise ConfigError(f"--{name}: goes with --watch or --once; --pictures names pictures for one run")


def teller(args: argparse.Namespace) -> Callable[[Path], dict[str, Any]] | None:
    """What has a node load a file, prints its answer and returns it; None without --reload.

    Raises:
        ConfigError: The options that name the node do not fit together.
    """
    settings = _broker(args)
    if settings is None:
        return None

    def tell(path: Path) -> dict[str, Any]:
        answer = ask.reload(settings, args.node)
        print(ask.words(args.node, answer, path))
        return answer

    return tell


def roll_back(args: argparse.Namespace) -> dict[str, Any]:
    """Go back to the earlier file, and tell the node.

    Raises:
        DarnerError: There is no way back, or the node does not answer.
    """
    from optimization.training.nightly import night

    tell = teller(args)
    night.roll_back(args.rollback)
    print(f"{args.rollback}: is the earlier model; the newer is {args.rollback.name}.previous")
    done: dict[str, Any] = {"rolled_back": str(args.rollback)}
    return done if tell is None else done | {"node": tell(args.rollback)}


def _watched(args: argparse.Namespace) -> Watched:
    from optimization.training.nightly.night import Watched
    from optimization.training.nightly.work import Bounds

    if args.once and args.at:
        raise ConfigError("--at is for --watch; --once begins now")
    if args.collected is None or args.out is None:
        raise ConfigError("--watch and --once need --collected DIR and --out FILE")
    for name in ("pictures", "video", "labels", "frames"):
        if getattr(args, name) is not None:
            raise ConfigError(f"--{name}: does not go with --collected, whose pictures and labels are used")
    if args.json is not None and not args.once:
        raise ConfigError(f"--json: goes with --once; a watch writes {args.out}.nights.json")
    if not args.collected.is_dir():
        raise ConfigError(
            f"--collected {args.collected}: is no folder; the node makes it with its first picture"
        )
    files.claim(args.out, force=True)
    if args.watch:
        _find_models(args)
    settings = _broker(args)

    def asked() -> tuple[str, str]:
        assert settings is not None  # noqa: S101 - only called where there is a broker
        answer = ask.reload(settings, args.node)
        return str(answer.get("state")), ask.words(args.node, answer, args.out)

    return Watched(
        collected=args.collected,
        model=args.model,
        out=args.out,
        teachers=args.teacher,
        least=args.least,
        new=args.new,
        options=_passed_on(args),
        bounds=Bounds(minutes=args.night_minutes, memory_mb=args.night_memory),
        ask=None if settings is None else asked,
    )


def _find_models(args: argparse.Namespace) -> None:
    """Find now, and not at night, that a model's name is wrong.

    Raises:
        ModelError: There is no such model.
    """
    from optimization.training.nightly.night import first_model

    if not args.out.is_file():
        first_model(args.model)
    for name in args.teacher:
        if name != "self" and "://" not in name:  # a model on a server may start later
            find_model(name)


def _passed_on(args: argparse.Namespace) -> list[str]:
    """Options of the training that it gets as they were given."""
    given: list[str] = []
    for name in _PASSED_ON:
        if getattr(args, name, None) is not None:
            given += [f"--{name.replace('_', '-')}", str(getattr(args, name))]
    for name in _LISTS:
        if getattr(args, name):
            given += [f"--{name.replace('_', '-')}", ",".join(getattr(args, name))]
    return [*given, "--no-average"] if args.no_average else given


def _broker(args: argparse.Namespace) -> MqttSettings | None:
    if args.reload is None:
        if args.node or args.prefix or args.set:
            raise ConfigError("--node, --prefix and --set go with --reload URL")
        return None
    if not args.node:
        raise ConfigError("--reload: name the node, too: --node NAME")
    return broker_settings(argparse.Namespace(broker=args.reload, prefix=args.prefix, set=args.set))


def _say(text: str) -> None:
    print(text, flush=True)


def _time(text: str) -> time:
    try:
        return datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - a time of day has no zone
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time of day such as 03:00") from None
