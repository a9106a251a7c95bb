"""`dataset label`: accept, correct or delete what a model proposes, in the browser."""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from optimization import files
from optimization.command import Command
from optimization.commands.dataset import options
from optimization.dataset import reading
from optimization.dataset.formats import coco
from optimization.dataset.texts import shown
from shared.collected import ANNOTATIONS
from shared.errors import ConfigError
from shared.program import need
from shared.signals import stop_on_signals

_PATIENCE_S = 8.0
"""How long the viewer may take to end; it takes 5 s at most by itself."""
_ENDED = (0, -signal.SIGTERM, -signal.SIGINT, -signal.SIGKILL)


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="pictures, collected by a node or not")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=0, metavar="N", help="port of the page (default: a free one)"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Serve the page until Ctrl-C, and say how far the work is.

    Raises:
        ConfigError: The folder cannot be labelled.
        SourceError: It has annotations that cannot be read.
    """
    need("flask", "flask_sock", "gunicorn", extra="viewer")
    folder = args.folder
    if not folder.is_dir():
        raise ConfigError(f"{shown(folder)}: there is no such folder of pictures")
    _take_over(folder)
    _serve(folder, args.host, args.port)
    return _counted(folder)


def _take_over(folder: Path) -> None:
    """Make the annotations of a folder in another format or place the ones that are labelled."""
    target = folder / ANNOTATIONS
    if target.exists() or (found := reading.annotated(folder)) is None:
        return
    dataset = found.dataset
    inside = {item: item.path.absolute() for item in dataset.items}
    root = folder.absolute()
    outside = [path for path in inside.values() if root not in path.parents]
    if outside:
        raise ConfigError(
            f"{shown(folder)}: its annotations name pictures elsewhere, such as {shown(outside[0])}; label "
            "the folder that holds them"
        )
    names = {item: path.relative_to(root).as_posix() for item, path in inside.items()}
    files.save(target, coco.document(dataset, names))
    print(
        f"{shown(target)}: written from the {found.format} annotations, {options.count(dataset)}; from now "
        "on it is what counts here"
    )
    options.tell_lost(found)


def _serve(folder: Path, host: str, port: int) -> None:
    command = [sys.executable, "-m", "viewer_server", "--label", str(folder)]
    command += ["--set", f"http.host={host}", "--set", f"http.port={port}", "--set", "log_level=WARNING"]
    with stop_on_signals() as stop:
        viewer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own program
        ended = threading.Thread(target=_tell, args=(viewer.stdout, stop), daemon=True)
        ended.start()
        stop.wait()
        viewer.terminate()
        try:
            code = viewer.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            viewer.kill()
            code = viewer.wait()
        ended.join(1.0)
        if viewer.stdout is not None:
            viewer.stdout.close()
    if code not in _ENDED:
        raise SystemExit(code)  # the viewer has said why


def _tell(lines: Iterable[str] | None, stop: threading.Event) -> None:
    """Pass on what the viewer prints, with the page's address; its end is ours."""
    for line in lines or ():
        if found := re.search(r"http://\S+/", line):
            print(f"open {found[0]}label in a browser; Ctrl-C ends", flush=True)
        else:
            print(line, end="", flush=True)
    stop.set()


def _counted(folder: Path) -> dict[str, Any]:
    """How many pictures are labelled, by what was decided."""
    target = folder / ANNOTATIONS
    try:
        images = json.loads(target.read_bytes())["images"] if target.exists() else []
        marks = [image.get("darner") for image in images]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ConfigError(
            f"{shown(target)}: another program has written it meanwhile, and it cannot be read; mend it"
        ) from None
    states = dict(Counter(_state(mark) for mark in marks))
    listed = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    print(f"{shown(target)}: {sum(states.values())} pictures labelled{f' ({listed})' if listed else ''}")
    return {"annotations": str(target), "pictures": states}


def _state(mark: object) -> str:
    """The state in a row's field `darner`; that of a picture that the page has not changed without one."""
    state = mark.get("state") if isinstance(mark, dict) else None
    return state if isinstance(state, str) else "annotated"


COMMAND = Command(
    name="label",
    help="accept, correct or delete what a model proposes, in the browser",
    description="Serve a page on which people label the pictures of a folder, keyboard first, without a "
    "broker. Labels are written to annotations.json there (COCO), which all commands read. Other annotations "
    "of the folder are taken over when there is no such file.",
    declare=declare,
    run=run,
    needs=options.NEEDS,
)
