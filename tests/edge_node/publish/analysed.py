"""Frames as the pipeline gives them to the publisher."""

from __future__ import annotations

import time

import numpy as np

from edge_node.analytics.analyse import Analytics
from edge_node.analytics.watch import Analysed
from edge_node.config.camera_settings import AnalyticsSettings
from edge_node.frames import Frame
from tests.edge_node.scenes import CLASSES, HEIGHT, WIDTH, Actor, film, stand


def analysed(objects: int = 2, seq: int = 0, noise: bool = False) -> Analysed:
    actors = [Actor(number, stand(0.5, 0.5)) for number in range(objects)]
    tracks, now_s = next(film(actors, [0.0]))
    pixels = np.random.default_rng(seq).integers(0, 256, (HEIGHT, WIDTH, 3)) if noise else 90
    image = np.full((HEIGHT, WIDTH, 3), pixels, np.uint8)
    frame = Frame("street", seq, time.time_ns(), 0, image)
    report = Analytics({}, {}, CLASSES, AnalyticsSettings()).update(tracks, now_s, WIDTH, HEIGHT)
    return Analysed(frame, tracks, report, seq * 10.0, {})
