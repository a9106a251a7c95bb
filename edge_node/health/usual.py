"""How a camera's picture usually is: its light and its sharpness, learned while nothing is wrong."""

from __future__ import annotations

from dataclasses import dataclass

from edge_node.health.glance import Glance

_LIGHT_S = 120.0
"""Time constant with which the usual light follows."""
_SHARPER_S, _SOFTER_S = 300.0, 21_600.0  # the same for sharpness: a lens that fogs up takes hours
_SOFT = 0.12  # fine structure, below which a picture has none to lose; without any, it is 1 / 16
_DAY = 50.0  # mean grey level and spread by day, or by good light
_MOST = 0.2  # of a difference that one look may take over


@dataclass(slots=True)
class Usual:
    """What is usual.

    Attributes:
        brightness: Mean grey level.
        spread: Grey levels between the darkest and the brightest twentieth.
        bright: Share of white pixels.
        relief: Standard deviation of the blocks' mean grey levels.
        share: Share of the view's blocks that agree: people and shadows always hide some.
        sharpness: `sharpness` of the fine and of the coarse structure.
        clear_us: When there was last so much light that night was far, microseconds since 1970.
    """

    brightness: float
    spread: float
    bright: float
    relief: float
    share: float
    sharpness: tuple[float, float]
    clear_us: int = 0

    @classmethod
    def of(cls, seen: Glance, variance: float) -> Usual:
        """As in a first glance; see `sharpness` for the variance."""
        relief = float(seen.means.std())
        return cls(seen.brightness, seen.spread, seen.bright, relief, 0.9, sharpness(seen, variance))

    def learn(self, seen: Glance, share: float, variance: float, dt: float) -> None:
        """Follow a picture in which nothing is wrong.

        Args:
            seen: The picture.
            share: See the attribute.
            variance: Of the difference of two pixels by noise.
            dt: Seconds since the last one.
        """
        step = min(dt / _LIGHT_S, _MOST)
        self.brightness += step * (seen.brightness - self.brightness)
        self.bright += step * (seen.bright - self.bright)
        self.spread += step * (seen.spread - self.spread)
        self.relief += step * (float(seen.means.std()) - self.relief)
        self.share += step * (share - self.share)
        if not self.darker(seen):
            if seen.brightness >= _DAY and seen.spread >= _DAY:
                self.clear_us = seen.at_us
            fine, coarse = (
                was + min(dt / (_SHARPER_S if now > was else _SOFTER_S), _MOST) * (now - was)
                for was, now in zip(self.sharpness, sharpness(seen, variance), strict=True)
            )
            self.sharpness = fine, coarse

    def darker(self, seen: Glance) -> bool:
        """Whether there is so much less light that noise and its removal decide what is sharp."""
        return seen.spread < 0.3 * self.spread or seen.brightness < 0.35 * self.brightness


def sharpness(seen: Glance, variance: float) -> tuple[float, float]:
    """How much of the picture's structure is fine, and how much of that is coarser, whatever the contrast.

    The ratio of mean square differences over 2 and 8 pixels, and over 8 and 32: a structure function, as
    Kolmogorov (1941) compares scales. Noise adds the same to each, and is taken off.

    Args:
        seen: The picture.
        variance: Of the difference of two pixels by noise, squared grey levels.
    """
    near, middle, far = (max(one - variance, 0.0) for one in seen.differences)
    return near / (middle + 1.0), middle / (far + 1.0)


def blurred(seen: Glance, usual: Usual, variance: float, *, already: bool) -> bool:
    """Whether a picture is far less sharp than usual; `already`: then it must be clearly sharp again."""
    now = sharpness(seen, variance)
    fine, coarse = (one / max(was, 1e-3) for one, was in zip(now, usual.sharpness, strict=True))
    least = 0.65 if already else 0.5
    # Of a soft picture, which was enlarged or is out of focus anyhow, only the coarse structure tells more.
    return fine < least or (usual.sharpness[0] < _SOFT and coarse < least)


def washed_out(seen: Glance, usual: Usual, share: float, trace: float, *, already: bool) -> bool:
    """Whether there is so much light that details are lost.

    Args:
        seen: The picture.
        usual: How it usually is.
        share: See `Likeness`.
        trace: See `Likeness`.
        already: Whether it was washed out before: then it must be clearly right again.
    """
    ease = 0.1 if already else 0.0
    white = seen.bright > 0.6 - ease or (seen.bright > 0.45 - ease and share < 0.55 + ease)
    halved = 1.0 - seen.bright < (0.5 + ease) * (1.0 - usual.bright)
    if white and (halved or seen.bright - usual.bright > 0.3 - ease):
        return True
    contrast = seen.spread / max(usual.spread, 1.0)
    brighter = seen.brightness - usual.brightness > 25
    haze = seen.brightness >= 200 and contrast < 0.4 + ease
    return trace > 0.1 and (haze or (brighter and seen.brightness >= 160 and contrast < 0.25 + ease))
