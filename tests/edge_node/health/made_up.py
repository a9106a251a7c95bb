"""Faults and ordinary changes of light and weather, laid over the pictures of a camera.

Each is a function of the picture, u8 ``(h, w, 3)`` in BGR, of the seconds since it began and of a random
generator. Faults are to be noticed. Ordinary changes are not, however long they go on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import cv2
import numpy as np

from edge_node.pictures import U8
from shared.geometry import F32, Floats

Change = Callable[[U8, float, np.random.Generator], U8]


def _u8(values: Floats) -> U8:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def noisy(image: U8, sigma: float, random: np.random.Generator) -> U8:
    """With the noise of a sensor, of this standard deviation in grey levels."""
    noise = np.empty(image.shape, np.int16)
    cv2.setRNGSeed(int(random.integers(1 << 30)))
    cv2.randn(noise, np.zeros(3), np.full(3, sigma))
    return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), np.uint8)


def lit(image: U8, gain: float, offset: float = 0.0) -> U8:
    """Brighter or darker."""
    return np.asarray(cv2.convertScaleAbs(image, alpha=gain, beta=offset), np.uint8)


def moved(image: U8, dx: float = 0.0, dy: float = 0.0, degrees: float = 0.0, scale: float = 1.0) -> U8:
    """As a camera sees it that was knocked; `dx` and `dy` as shares of the picture's sides."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, scale)
    matrix[:, 2] += dx * width, dy * height
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)


def blurred(image: U8, sigma: float) -> U8:
    """Out of focus; `sigma` in pixels of a picture 768 pixels wide."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), max(sigma, 0.01) * image.shape[1] / 768), np.uint8)


def _lay(image: U8, patch: U8, opacity: F32) -> U8:
    return _u8(image * (1 - opacity[..., None]) + patch * opacity[..., None])


def _plane(image: U8) -> tuple[F32, F32]:
    height, width = image.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return x / width, y / height


def _hand(image: U8, _: float, random: np.random.Generator) -> U8:
    x, y = _plane(image)
    skin = np.stack([60 + 20 * x, 75 + 25 * y, 110 + 30 * x * y], axis=2)
    return noisy(_u8(skin * (0.9 + 0.1 * np.sin(14 * x + 3 * y))[..., None]), 3, random)


def _cloth(image: U8, _: float, random: np.random.Generator) -> U8:
    x, y = _plane(image)
    weave = 12 * np.sin(220 * x) * np.sin(180 * y) + 10 * np.sin(9 * x - 5 * y)
    return noisy(_u8(np.stack([95 + weave, 90 + weave, 85 + weave], axis=2)), 3, random)


def _most(image: U8, _: float, random: np.random.Generator) -> U8:
    x, y = _plane(image)
    outside = ((x - 0.45) / 0.62) ** 2 + ((y - 0.5) / 0.68) ** 2
    patch = np.full(image.shape, (55, 60, 70), np.uint8)
    return noisy(_lay(image, patch, np.clip((1.1 - outside) / 0.1, 0, 1).astype(np.float32)), 2, random)


def tape(share: float, grey: int) -> Change:
    """A strip without texture over a share of the lens."""

    def change(image: U8, _: float, random: np.random.Generator) -> U8:
        out: U8 = image.copy()
        out[:, : int(share * image.shape[1])] = grey
        return noisy(out, 2, random)

    return change


def _filled(colour: tuple[int, int, int] | None, *, upper: bool = False) -> Change:
    """Half as a decoder leaves it after lost packets: one colour, or the last good row again and again."""

    def change(image: U8, _: float, __: np.random.Generator) -> U8:
        out: U8 = image.copy()
        half = image.shape[0] // 2
        lost = slice(half) if upper else slice(half, None)
        out[lost] = out[half - 1] if colour is None else colour
        return out

    return change


def slid_tape(share: float, grey: int) -> Change:
    """The same, slid over the lens within 0.3 s."""
    return lambda image, t, random: tape(share * min((t + 0.1) / 0.3, 1), grey)(image, t, random)


def held(wide: float) -> Change:
    """Something plain that somebody holds up before the camera, such as a box: it sways by half a percent."""

    def change(image: U8, t: float, random: np.random.Generator) -> U8:
        x, y = _plane(image)
        middle = 0.5 + 0.005 * math.sin(2.4 * t), 0.5 + 0.9 * max(1 - 2 * t, 0) + 0.004 * math.sin(3.1 * t)
        far = np.maximum(np.abs(x - middle[0]) - wide / 2, np.abs(y - middle[1]) - 0.44)
        patch = np.full(image.shape, (95, 130, 160), np.uint8)
        return noisy(_lay(image, patch, np.clip(0.5 - far / 0.006, 0, 1).astype(np.float32)), 2, random)

    return change


def veil(grey: int, opacity: float) -> Change:
    """A film of paint or grease, through which little of the view is to be seen."""
    return lambda image, _, random: noisy(lit(image, 1 - opacity, opacity * grey), 2, random)


def stopping_lorry(left: float, stops_s: float) -> Change:
    """A lorry that drives up within 2 s, and hides all but a share of the view on the left."""

    def change(image: U8, t: float, random: np.random.Generator) -> U8:
        front = 1 - (1 - min(t / 2, 1)) ** 2 - max(t - 2 - stops_s, 0) / 2
        height, width = image.shape[:2]
        edge = width - int((1 - left) * max(front, 0) * width)
        load = cv2.resize(image[height // 3 :, : width // 3][::-1], (width, height))
        out: U8 = image.copy()
        out[:, edge:] = load[:, : width - edge]
        return noisy(out, 2, random)

    return change


def _channel(index: int, value: int) -> Change:
    def change(image: U8, _: float, __: np.random.Generator) -> U8:
        out: U8 = image.copy()
        out[..., index] = value
        return out

    return change


FAULTS: Mapping[str, tuple[str, Change]] = {
    "a lens cap": ("covered", lambda image, _, r: noisy(np.zeros_like(image), 2, r)),
    "a hand": ("covered", _hand),
    "a cloth": ("covered", _cloth),
    "paint over most of the lens": ("covered", _most),
    "tape over 85 % of the lens": ("covered", tape(0.85, 110)),
    "a grey lower half": ("covered", _filled((128, 128, 128))),
    "a smeared lower half": ("covered", _filled(None)),
    "a black upper half": ("covered", _filled((0, 0, 0), upper=True)),
    "out of focus, 3 pixels": ("out_of_focus", lambda image, _, r: noisy(blurred(image, 3), 1, r)),
    "out of focus, 8 pixels": ("out_of_focus", lambda image, _, r: noisy(blurred(image, 8), 1, r)),
    "out of focus, growing": ("out_of_focus", lambda image, t, r: noisy(blurred(image, 2 * t), 1, r)),
    "shifted by 3 %": ("moved", lambda image, _, __: moved(image, 0.03, 0.0)),
    "shifted by 8 and 5 %": ("moved", lambda image, _, __: moved(image, -0.08, 0.05)),
    "shifted by 20 %": ("moved", lambda image, _, __: moved(image, 0.2, -0.04)),
    "turned by 4 degrees": ("moved", lambda image, _, __: moved(image, degrees=4)),
    "turned by 15 degrees": ("moved", lambda image, _, __: moved(image, degrees=-15)),
    "zoomed by 5 %": ("moved", lambda image, _, __: moved(image, scale=1.05)),
    "zoomed by 20 %": ("moved", lambda image, _, __: moved(image, scale=1.2)),
    "turned away": ("moved", lambda image, _, r: noisy(moved(image[::-1, ::-1], scale=1.7), 1, r)),
    "four times the light": ("washed_out", lambda image, _, __: lit(image, 4, 30)),
    "white haze": ("washed_out", lambda image, _, r: noisy(lit(image, 0.15, 195), 1, r)),
    "without blue": ("wrong_colours", _channel(0, 0)),
    "without red": ("wrong_colours", _channel(2, 0)),
    "blue for red": ("wrong_colours", lambda image, _, __: np.ascontiguousarray(image[..., ::-1])),
    "green cast": ("wrong_colours", lambda image, _, __: _u8(image * (0.5, 1.3, 0.5))),
    "purple cast": ("wrong_colours", lambda image, _, __: _u8(image * (1.2, 0.55, 1.2))),
}
"""What is wrong, by a name, and the problem that it is. Frozen pictures and low rates concern more than one
picture, and are made by `films.py`."""


def _ramp(t: float, down_s: float, low: float) -> float:
    phase = (t / down_s) % 4
    return float(np.interp(phase, [0, 1, 2, 3, 4], [1, low, low, 1, 1]))


def _rain(image: U8, _: float, random: np.random.Generator) -> U8:
    out = blurred(lit(image, 0.85, 15), 0.6)
    height, width = out.shape[:2]
    for x, y, length in random.random((250, 3)):
        start = int(x * width), int(y * height)
        end = start[0] + int(4 * length), start[1] + int(10 + 25 * length)
        cv2.line(out, start, end, (205, 200, 195), 1, cv2.LINE_AA)
    return out


def _rain_near_a_lamp(image: U8, _: float, random: np.random.Generator) -> U8:
    out = noisy(lit(image, 0.6), 4, random)
    height, width = out.shape[:2]
    veil = np.zeros((height, width), np.uint8)
    for x, y, length in random.random((140, 3)).tolist():
        start = int(x * width), int(y * height)
        end = start[0] + int(8 * length), start[1] + int((0.03 + 0.12 * length) * height)
        cv2.line(veil, start, end, 90 + int(140 * length), 1 + int(4 * length))
    return _lay(out, np.full_like(out, 233), np.asarray(cv2.GaussianBlur(veil, (0, 0), 2) / 255, np.float32))


def _headlights(image: U8, t: float, random: np.random.Generator) -> U8:
    dark, phase = noisy(lit(image, 0.25), 3, random), t % 12
    if phase > 5:
        return dark
    x, y = _plane(image)
    far = (x - phase / 5) ** 2 + ((y - 0.5) * 0.7) ** 2
    glare = 330 * np.exp(-far / 0.02) + 90 * np.exp(-far / 0.2)
    return _u8(dark + glare[..., None])


def _exposure(image: U8, t: float, _: np.random.Generator) -> U8:
    levels = [1.0, 0.5, 1.0, 1.7, 1.0, 0.7, 1.4]
    step, phase = divmod(t, 7)
    before, now = levels[int(step - 1) % 7], levels[int(step) % 7]
    return lit(image, now + (before - now) * math.exp(-phase / 0.7))


def _person_close(image: U8, t: float, random: np.random.Generator) -> U8:
    phase = t % 20
    if phase > 8:
        return image
    x, y = _plane(image)
    middle = -0.3 + 1.6 * min(phase / 3, 0.5) if phase < 6 else 0.5 + 0.8 * (phase - 6) / 2
    inside = (np.abs(x - middle + 0.02 * math.sin(5 * t)) < 0.34) & (y > 0.08)
    coat = 60 + 25 * np.sin(25 * x + 4 * np.sin(9 * y)) + 15 * np.sin(60 * y)
    patch = noisy(_u8(np.stack([coat, coat * 0.9, coat * 0.8], axis=2)), 2, random)
    return _lay(image, patch, inside.astype(np.float32))


def _truck(image: U8, t: float, random: np.random.Generator) -> U8:
    phase = t % 25
    if phase > 6:
        return image
    x, y = _plane(image)
    front = phase * 0.9 - 0.2
    inside = (x < front) & (x > front - 2.6)
    side = 150 + 60 * (np.abs(y - 0.5) < 0.12) - 70 * (np.sin(8 * (x - front)) > 0.97)
    patch = noisy(_u8(np.stack([side, side * 0.95, side * 0.6], axis=2)), 2, random)
    return _lay(image, patch, inside.astype(np.float32))


def _parked(image: U8, t: float, _: np.random.Generator) -> U8:
    if (t // 40) % 2 == 0:
        return image
    height, width = image.shape[:2]
    out: U8 = image.copy()
    part = out[height // 2 :, width // 5 : width * 7 // 10]
    part[:] = cv2.resize(image[: height // 3, : width // 2], part.shape[1::-1])[:, ::-1]
    return out


def _shadows(image: U8, t: float, _: np.random.Generator) -> U8:
    x, y = _plane(image)
    edge = np.clip(0.5 + 15 * (x + 0.4 * y - (t / 120) % 1.6), 0, 1)
    return _u8(image * (0.55 + 0.45 * edge)[..., None])


def _infrared(image: U8, t: float, random: np.random.Generator) -> U8:
    if (t // 60) % 2 == 0:
        return image
    x, y = _plane(image)
    lamp = 0.35 + 0.75 * np.exp(-((x - 0.5) ** 2 + (y - 0.6) ** 2) / 0.15)
    grey = 255 * (image @ np.array([0.1, 0.3, 0.6]) / 255) ** 0.7 * lamp
    return noisy(_u8(np.repeat(grey[..., None], 3, axis=2)), 4, random)


def _wind(image: U8, t: float, _: np.random.Generator) -> U8:
    return moved(
        image,
        0.006 * math.sin(5.3 * t) + 0.003 * math.sin(13 * t),
        0.005 * math.sin(4.1 * t),
        0.3 * math.sin(3 * t),
    )


def _compressed(image: U8, t: float, _: np.random.Generator) -> U8:
    quality = int(8 + 40 * (0.5 + 0.5 * math.sin(t / 9)))
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _warm(image: U8, t: float, _: np.random.Generator) -> U8:
    return image if (t // 45) % 2 == 0 else _u8(image * (0.45, 0.8, 1.05))


def _snow(image: U8, _: float, random: np.random.Generator) -> U8:
    out = lit(image, 0.8, 35)
    height, width = out.shape[:2]
    for x, y, size in random.random((180, 3)):
        cv2.circle(
            out, (int(x * width), int(y * height)), 1 + int(3 * size), (240, 240, 240), -1, cv2.LINE_AA
        )
    return out


ORDINARY: Mapping[str, Change] = {
    "nothing": lambda image, _, __: image,
    "night falls within 2 minutes, and day": lambda i, t, r: noisy(lit(i, _ramp(t, 120, 0.05)), 3, r),
    "night falls within 20 s, and day": lambda i, t, r: noisy(lit(i, _ramp(t, 20, 0.06)), 3, r),
    "lights off and on": lambda i, t, r: noisy(lit(i, 1.0 if (t // 30) % 2 == 0 else 0.1), 3, r),
    "infrared lamp on and off": _infrared,
    "rain": _rain,
    "rain near a lamp, out of focus": _rain_near_a_lamp,
    "snow": _snow,
    "fog comes and goes": lambda i, t, _: lit(i, _ramp(t, 40, 0.45), 110 * (1 - _ramp(t, 40, 0))),
    "headlights at night": _headlights,
    "exposure jumps": _exposure,
    "warm and cold light": _warm,
    "moving shadows": _shadows,
    "a person close to the camera": _person_close,
    "a lorry fills the view": _truck,
    "a large car parks": _parked,
    "noise of 5 to 20 levels": lambda i, t, r: noisy(i, 12.5 + 7.5 * math.sin(t / 7), r),
    "poor compression": _compressed,
    "shaken by the wind": _wind,
}
"""What is no fault."""
