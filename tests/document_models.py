"""`python -m tests.document_models`: write docs/reference/models.md from the table of known models.

``--check`` only says whether the page is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from edge_node.assets.known import KnownModel, Licence
from edge_node.assets.zoo import ZOO
from edge_node.models.auto import relative
from tests.docs import written

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "models.md"

_INTRO = """\
# Known models
<!-- Written by `make docs` from edge_node/assets/zoo.py: change that. -->

These detectors can be named in `model.name`, and `darner-edge models get NAME` fetches them. All know
COCO's 80 classes. [Models and engines](../how-to/models.md) says how `model.name: auto` chooses among them.

- **AP** is COCO's average precision on val2017, in percent, as the authors give it for this input. It was
  not measured here: the [accuracy](accuracy.md) page has what was. The built-in network was scored at 416
  pixels.
- **GFLOPs** are for one picture; a multiplication and an addition are two.
- **Time** is a multiple of the built-in model's, on an x86 CPU. With `~` it is an estimate from FLOPs, which
  was up to twice too low for a light network. [How it was measured](../how-to/models.md#what-was-measured)
- **Hash**: a `pinned` file must have the SHA-256 below. No checksum of the others is published: the first
  download is trusted, its hash is logged and kept, and the file must keep it.

| name | model | AP | input | GFLOPs | time | file by | hash |
|---|---|---|---|---|---|---|---|
"""
_LICENCES = """
## Licences

Code and weights of every known model are under a permissive licence. Models under AGPL or GPL, or for
non-commercial use only, do not get into the table; a test makes sure of that. These are the owners' own
words, and where they stand. Where a project has one licence, and publishes weights without further terms,
that licence is given for both.

| models | of | licence | words |
|---|---|---|---|
"""
_FILES = """
## Files

| name | address | SHA-256 | where the hash stands |
|---|---|---|---|
"""


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run; the process's exit code."""
    return written.run("tests.document_models", __doc__, PAGE, page, arguments)


def page() -> str:
    """The whole page."""
    models = sorted(ZOO, key=lambda known: (known.ap, known.name))
    files = [_file(known) for known in models if known.download or known.recipe]
    return "".join([_INTRO, *map(_row, models), _LICENCES, *_licences(models), _FILES, *files])


def _row(known: KnownModel) -> str:
    by, hashed = "Darner", ""
    if known.download is not None:
        by, hashed = known.download.by, "pinned" if known.download.sha256 else "first use"
    elif known.recipe is not None:
        by = "nobody yet: it must be converted"
    work = "" if known.gflops is None else f"{known.gflops:g}"
    title, times = f"[{known.title}]({known.scores})", relative(known)
    time = "" if times is None else f"{'~' if known.cost is None else ''}{times:.1f}"
    return (
        f"| `{known.name}` | {title} | {known.ap:.1f} | {known.side} | {work} | {time} | {by} | {hashed} |\n"
    )


def _licences(models: list[KnownModel]) -> Iterator[str]:
    of: dict[tuple[str, Licence], list[str]] = {}
    for known in models:
        if known.code == known.weights:
            of.setdefault(("code and weights", known.code), []).append(known.name)
        else:
            of.setdefault(("code", known.code), []).append(known.name)
            of.setdefault(("weights", known.weights), []).append(known.name)
    for (what, licence), names in of.items():
        listed = ", ".join(f"`{name}`" for name in names)
        yield f"| {listed} | {what} | {licence.name} | [{licence.quote}]({licence.where}) |\n"


def _file(known: KnownModel) -> str:
    if known.download is None:
        return f"| `{known.name}` | {known.recipe} | | |\n"
    file = known.download
    pinned = f"`{file.sha256}`" if file.sha256 else ""
    return f"| `{known.name}` | <{file.url}> | {pinned} | {file.pinned_by or ''} |\n"


if __name__ == "__main__":
    sys.exit(main())
