"""What was found, for people: a table, and a configuration to paste."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import yaml

from edge_node.discover.found import FoundCamera, FoundStream, with_login
from edge_node.discover.soap import Login

NOBODY = (
    "No camera answers and there is no webcam. Cameras answer only in their own network, and only with ONVIF "
    "switched on. A container sees none: run this on the host. For a camera elsewhere: --host ADDRESS."
)
EXAMPLE = "USER:PASSWORD@"
"""What stands in the place of a login."""


def table(cameras: Sequence[FoundCamera]) -> str:
    """A line for each stream; ``*`` marks the one that suits the detector."""
    if not cameras:
        return NOBODY
    rows = [("", "camera", "address", "stream", "codec", "size", "fps", "")]
    for camera in cameras:
        head = camera.title, camera.address
        for index, stream in enumerate(camera.streams):
            mark = "*" if index == camera.chosen and stream.trouble is None else ""
            rows.append((mark, *head, stream.profile or "-", *_numbers(stream), stream.trouble or ""))
            head = "", ""
        for note in camera.notes:
            cure = "; give them with --user, or by host with --logins" if camera.denied else ""
            rows.append(("", *head, "-", "-", "-", "-", note + cure))
            head = "", ""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    ]
    return "\n".join(lines)


def configuration(
    cameras: Sequence[FoundCamera],
    side: int,
    logins: Callable[[str], Login | None],
    *,
    secrets: bool = False,
) -> str:
    """The cameras as YAML: each with the stream that suits the detector, and its others as comments.

    Args:
        cameras: What was found.
        side: Longer side of the network's input, pixels.
        logins: Gives each host's login.
        secrets: Whether to write logins; else the text says where they belong.
    """
    usable = [one for one in cameras if one.chosen is not None]
    if not usable:
        return ""
    lines = [f"# The detector looks at {side} pixels. A smaller stream costs less to decode.", "cameras:"]
    for camera in usable:
        lines.append(f"  {camera.id}: # {_comment(camera.title)}, {camera.address}")
        login = logins(camera.address) if camera.kind == "onvif" else None
        for index, stream in sorted(enumerate(camera.streams), key=lambda one: one[0] != camera.chosen):
            source = with_login(stream.source, login if secrets else None)
            # Without a login it may want one, if it gave no picture.
            if camera.kind == "onvif" and ((login and not secrets) or (stream.trouble and not login)):
                source = source.replace("://", f"://{EXAMPLE}", 1)
            told = "" if stream.trouble is None else ", gave no picture just now"
            said = f"{' '.join(_numbers(stream))} fps{told}"
            mark = "" if index == camera.chosen else "# "
            lines.append(f"    {mark}source: {_quoted(source)} # {_comment(said)}")
    return "\n".join(lines) + "\n"


def _numbers(stream: FoundStream) -> tuple[str, str, str]:
    size = f"{stream.width}x{stream.height}" if stream.width and stream.height else "-"
    return stream.codec or "-", size, f"{stream.fps:g}" if stream.fps else "-"


def _quoted(text: str) -> str:
    """A YAML scalar on one line."""
    return str(yaml.safe_dump(text, width=10_000, allow_unicode=True)).partition("\n")[0]


def _comment(text: str) -> str:
    return " ".join(text.split())
