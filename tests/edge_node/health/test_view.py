"""The view that pictures are compared with."""

from __future__ import annotations

import numpy as np

from edge_node.frames import Frame
from edge_node.health.glance import Glance, glance
from edge_node.health.view import View
from edge_node.pictures import U8


def seen(picture: U8) -> Glance:
    """A look at a picture."""
    return glance(Frame("yard", 0, 0, 0, picture))


def test_a_view_stays_as_strong_as_it_was_however_often_it_is_renewed() -> None:
    """Each new picture has noise of its own, and something else in a third of it."""
    random = np.random.default_rng(1)
    scene = np.kron(random.integers(40, 200, (24, 32, 3)), np.ones((10, 10, 1)))
    pictures = []
    for left in range(0, 240, 30):
        picture = scene + random.normal(0, 12, scene.shape)
        picture[:, left : left + 100] = 120
        pictures.append(seen(np.clip(picture, 0, 255).astype(np.uint8)))
    right = seen(scene.astype(np.uint8))
    view = View(right.fine, 0)
    shown = int(view.likeness(right).agree.sum())
    for number in range(300):  # an hour
        view.renew(pictures[number % len(pictures)])
    assert view.useful
    assert int(view.likeness(right).agree.sum()) == shown
