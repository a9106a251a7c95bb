"""What the monitor tells of a camera, and when it has something new to tell."""

from __future__ import annotations

from dataclasses import dataclass

from shared.wire.messages import CameraProblem, PauseReason, ViewShift

_STEP = 0.005  # how far a shift must change to be said again, in shares of the frame, and in scale
_TURN = 0.5  # the same in degrees


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What has changed on one camera.

    Attributes:
        camera: Its name.
        seq: Number of its newest frame; 0 if there was none.
        captured_us: When that was captured, microseconds since 1970.
        at_us: When the change was noticed.
        problems: What is wrong now.
        started: What of it is new.
        ended: What is wrong no more.
        pauses: Why nothing is counted; None: it is.
        reference_us: When the view was taken that is compared with; None: not yet.
        watched: Whether the camera is judged still.
    """

    camera: str
    seq: int
    captured_us: int
    at_us: int
    problems: tuple[CameraProblem, ...] = ()
    started: tuple[CameraProblem, ...] = ()
    ended: tuple[CameraProblem, ...] = ()
    pauses: PauseReason | None = None
    reference_us: int | None = None
    watched: bool = True


def same_problems(some: tuple[CameraProblem, ...], others: tuple[CameraProblem, ...]) -> bool:
    """Whether two lists of problems say the same, but for a little in a shift."""
    return len(some) == len(others) and all(
        one.problem == other.problem and one.since_us == other.since_us and _close(one.shift, other.shift)
        for one, other in zip(some, others, strict=True)
    )


def _close(one: ViewShift | None, other: ViewShift | None) -> bool:
    if one is None or other is None:
        return one is other
    far = max(abs(one.dx - other.dx), abs(one.dy - other.dy), abs(one.scale - other.scale))
    return far < _STEP and abs(one.degrees - other.degrees) < _TURN
