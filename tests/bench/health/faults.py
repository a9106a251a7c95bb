"""The table of faults, with the problem that each is and the time within which it is to be noticed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from shared.wire.messages import Problem
from tests.bench.health.made import broken
from tests.bench.health.made.broken import away, blur, brighter, cast, channel, cover, half, knock
from tests.bench.health.made.paint import Make, over

SOON_S, MOVED_S, PARTLY_S = 5.0, 10.0, 15.0


@dataclass(frozen=True)
class Fault:
    """What is wrong.

    Attributes:
        make: Lays it over a film.
        problems: What it may be called; the first is what it is.
        within_s: Seconds from when it is there in full until it must be known.
        full_s: When that is, seconds after its begin.
        every: Whether every picture counts, and not only those at which a node looks.
    """

    make: Make
    problems: tuple[Problem, ...]
    within_s: float = SOON_S
    full_s: float = 0.0
    every: bool = False


def _covered(kind: str, share: float = 1.0, shape: str = "blob", grows_s: float = 0.3) -> Fault:
    within_s = SOON_S if share > 0.85 else PARTLY_S
    return Fault(cover(kind, share, shape, grows_s), ("covered",), within_s, grows_s)


def _moved(make: Make, within_s: float = MOVED_S, full_s: float = 0.0) -> Fault:
    return Fault(make, ("moved",), within_s, full_s)


_PARTLY = (("tape", "from below"), ("spray", "blob"), ("leaf", "from the left"), ("bag", "from below"))
FAULTS: Mapping[str, Fault] = {
    **{
        f"{kind} over all": _covered(kind)
        for kind in ("tape", "paper", "spray", "leaf", "bag", "cardboard", "mud", "cloth", "hand")
    },
    "foil over all": Fault(cover("foil"), ("covered", "moved"), MOVED_S),
    "a hand, slid in within 4 s": _covered("hand", 1.0, "from the left", 4),
    "spray, within 8 s": _covered("spray", 1.0, "blob", 8),
    "mud over 90 %": _covered("mud", 0.9),
    "tape over 70 %, slid on": replace(_covered("tape", 0.7, "from the left"), every=True),
    "tape over 90 %, slid on": replace(_covered("tape", 0.9, "from the left"), every=True),
    "a film of paint": Fault(brighter(0.08, 55), ("covered",)),
    **{
        f"{kind} over {share:.0%}, {shape}": _covered(kind, share, shape)
        for share in (0.6, 0.7, 0.8)
        for kind, shape in (
            ("tape", "from below"),
            ("spray", "blob"),
            ("leaf", "from the left"),
            ("bag", "from below"),
        )
    },
    "out of focus, 2 pixels": Fault(blur(2), ("out_of_focus",)),
    "out of focus, 4 pixels": Fault(blur(4), ("out_of_focus",)),
    "out of focus, 12 pixels": Fault(blur(12), ("out_of_focus", "covered")),
    "out of focus, 5 pixels within 60 s": Fault(blur(5, 60), ("out_of_focus",), SOON_S, 40),
    **{
        f"moved by {share:.0%}": _moved(knock(share, share / 4))
        for share in (0.02, 0.03, 0.05, 0.12, 0.3, 0.4)
    },
    **{f"tilted by {share:.0%}": _moved(knock(0.01, -share)) for share in (0.04, 0.1, 0.25)},
    **{f"rolled by {turn} degrees": _moved(knock(degrees=turn)) for turn in (3, 10, 25, 90)},
    **{f"zoomed to {scale}": _moved(knock(scale=scale)) for scale in (0.8, 0.93, 1.1, 1.4)},
    "knocked, swings for 4 s": _moved(knock(0.06, 0.02, 2, 1, 2), MOVED_S, 4),
    "turned away, upside down": _moved(away(broken.upside_down)),
    "turned away, to pieces": _moved(away(broken.pieces)),
    "turned away within 4 s": _moved(away(broken.pieces, 4), MOVED_S, 4),
    "turned to a wall": Fault(away(broken.wall), ("moved", "covered"), MOVED_S),
    "turned to the sky": Fault(away(broken.sky), ("moved", "covered"), MOVED_S),
    "frozen": Fault(broken.frozen(clock=False), ("frozen",), every=True),
    "frozen, a clock runs on": Fault(broken.frozen(clock=True), ("frozen",), every=True),
    "the last second again": Fault(broken.repeated(1), ("frozen",), SOON_S, 1, every=True),
    "the last 4 seconds again": Fault(broken.repeated(4), ("frozen",), SOON_S, 4, every=True),
    "four times the light": Fault(brighter(4, 30), ("washed_out",)),
    "haze": Fault(brighter(0.15, 200), ("washed_out", "covered")),
    "dazzled by a torch": Fault(over(broken.dazzled), ("washed_out", "covered")),
    "blue missing": Fault(channel(0, 0), ("wrong_colours",)),
    "green missing": Fault(channel(1, 0), ("wrong_colours",)),
    "red full": Fault(channel(2, 255), ("wrong_colours",)),
    "planes mixed up": Fault(over(broken.planes), ("wrong_colours",)),
    "green cast": Fault(cast(0.55, 1.25, 0.55), ("wrong_colours",)),
    "magenta cast": Fault(cast(1.2, 0.5, 1.25), ("wrong_colours",)),
    **{
        f"{part} half {kind}": Fault(
            half(kind, upper=part == "upper"), ("wrong_colours", "covered", "moved"), PARTLY_S
        )
        for part in ("lower", "upper")
        for kind in ("green", "grey", "magenta", "black", "smeared")
    },
}
