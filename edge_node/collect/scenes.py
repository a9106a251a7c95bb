"""What a camera's picture looks like as a whole, and whether it looked like that before.

Two pictures are compared by tiny grey copies: by the brightness of both, and by contrast and structure in one
number. The latter is the term of SSIM that is not brightness (Wang, Bovik, Sheikh and Simoncelli, "Image
Quality Assessment: From Error Visibility to Structural Similarity", 2004), taken over the whole picture. So
a person who walks by is no new scene; dusk, fog, a lorry that parks or a camera that was turned is one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edge_node.pictures import U8, Picture, scaled
from shared.geometry import F32

WIDTH, HEIGHT = 32, 18
_FLAT = (0.03 * 255) ** 2  # SSIM's constant for contrast: less variance than this is none
_STRUCTURE = 0.25  # how much less alike than itself a picture is that is another scene
_LIGHT = 0.12  # how much brighter or darker
_REMEMBERED = 64


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A picture as a whole.

    Attributes:
        grey: f32 ``(HEIGHT * WIDTH,)``, grey levels of a tiny copy, without their mean.
        variance: Mean of their squares.
        light: Mean brightness of the picture, 0..1.
    """

    grey: F32
    variance: float
    light: float

    @classmethod
    def of(cls, picture: Picture) -> Scene:
        """Look at a picture, in host memory or a GPU's."""
        return cls.of_grey(np.asarray(cv2.cvtColor(scaled(picture, WIDTH, HEIGHT), cv2.COLOR_BGR2GRAY)))

    @classmethod
    def of_grey(cls, grey: U8) -> Scene:
        """Look at a tiny grey copy, u8 ``(HEIGHT, WIDTH)``."""
        levels = grey.ravel().astype(np.float32)
        mean = float(levels.mean())
        levels -= np.float32(mean)
        return cls(levels, float(levels @ levels) / levels.size, mean / 255)

    def distance(self, others: Sequence[Scene]) -> float:
        """How far the scene is from the nearest of others; from 1 on it is another one."""
        if not others:
            return np.inf
        variances = np.array([one.variance for one in others])
        lights = np.array([one.light for one in others])
        together = np.array([one.grey for one in others]) @ self.grey / self.grey.size
        alike = (2 * together + _FLAT) / (variances + self.variance + _FLAT)
        apart = np.maximum((1 - alike) / _STRUCTURE, np.abs(lights - self.light) / _LIGHT)
        return float(apart.min())


class Scenes:
    """The scenes that a camera has shown; the oldest is forgotten when there are too many."""

    def __init__(self) -> None:
        self._known: deque[Scene] = deque(maxlen=_REMEMBERED)

    def is_new(self, scene: Scene) -> bool:
        """Whether the camera has shown no such scene."""
        return scene.distance(self._known) >= 1

    def learn(self, scene: Scene) -> None:
        """Remember a scene of a picture that was kept, unless it is known."""
        if self.is_new(scene):
            self._known.append(scene)
