"""Which tracks the detector would have found where it looked: the others are not missing."""

from __future__ import annotations

import numpy as np

from edge_node.frames import Looked
from shared.geometry import F64, Bool

_PLACES = np.array([1, 3, 5]) / 6 - 0.5  # where a box is tested, across and down, in sides from its centre
_ACROSS, _DOWN = (grid.ravel()[:, None] for grid in np.meshgrid(_PLACES, _PLACES))


def looked_for(centre: F64, looked: Looked, low: F64, high: F64) -> Bool:
    """Which boxes lie entirely where the network looked for objects of their size.

    Parts that touch or overlap count together. Of a box that lies in them in part, the network may have seen
    too little; whatever it found of it, merging has thrown away.

    Args:
        centre: Centres and sides ``(4, N)``.
        looked: Where the network looked.
        low: Left and top of everything that was ever detected, ``(2,)``.
        high: Its right and bottom, ``(2,)``. What a box has beyond them lies outside the picture: nobody can
            look there.

    Returns:
        Mask ``(N,)``.
    """
    # Points are (9, N), and parts stand along a third axis.
    x = np.clip(centre[0] + _ACROSS * centre[2], low[0], high[0])[:, :, None]
    y = np.clip(centre[1] + _DOWN * centre[3], low[1], high[1])[:, :, None]
    left, top, right, bottom = looked.xyxy.T
    inside = (x >= left) & (x <= right)
    inside &= (y >= top) & (y <= bottom)
    inside &= np.sqrt(centre[2] * centre[3])[:, None] >= looked.least
    return np.asarray(inside.any(axis=2).all(axis=0))
