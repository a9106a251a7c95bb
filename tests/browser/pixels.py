"""What the page has drawn, read back from it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from playwright.sync_api import Locator, Page

from tests.viewer_server.fake_edge import BIT, BITS, HEIGHT, WIDTH, box_of

# In one script, so that no frame can be drawn between looking at the pixels and at the attributes.
READ = """canvas => ({
    ...canvas.dataset,
    pixels: canvas.toDataURL("image/png").split(",")[1],
})"""

# Answers once for each frame drawn from now on.
WATCH = """([selector, count]) => new Promise((resolve) => {
    const canvas = document.querySelector(selector);
    const seen = [];
    const look = () => {
        seen.push({ ...canvas.dataset, pixels: canvas.toDataURL("image/jpeg", 0.8).split(",")[1] });
        if (seen.length >= count) { observer.disconnect(); resolve(seen); }
    };
    const observer = new MutationObserver(look);
    observer.observe(canvas, { attributeFilter: ["data-boxes"] });
})"""


@dataclass(frozen=True)
class Drawn:
    """One frame as it stands on a canvas."""

    session: str
    seq: int
    boxes_seq: int
    boxes: list[list[float]]
    image: np.ndarray[Any, np.dtype[np.uint8]]

    @property
    def seq_in_picture(self) -> int:
        """The number burnt into the picture."""
        height, width = self.image.shape[:2]
        y, step = round(BIT / 2 * height / HEIGHT), BIT * width / WIDTH
        return sum(1 << bit for bit in range(BITS) if self.image[y, round((bit + 0.5) * step)].mean() > 128)

    def box_is_on_the_block(self) -> bool:
        """Whether the block that the picture of its number shows is where the drawn box is."""
        [[_, *box]] = self.boxes
        if box != list(box_of(self.seq_in_picture)):
            return False
        height, width = self.image.shape[:2]
        x, y = (box[0] + box[2]) / 2 * width, (box[1] + box[3]) / 2 * height
        blue, _, red = self.image[round(y), round(x)]
        return bool(red > 180 and blue < 120)


def read(canvas: Locator) -> Drawn:
    """The frame that is on the canvas now."""
    return _drawn(canvas.evaluate(READ))


def watch(page: Page, selector: str, count: int) -> list[Drawn]:
    """The next `count` frames that are drawn."""
    return [_drawn(raw) for raw in page.evaluate(WATCH, [selector, count])]


def _drawn(raw: dict[str, Any]) -> Drawn:
    data = np.frombuffer(base64.b64decode(raw["pixels"]), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert image is not None
    return Drawn(
        raw["session"],
        int(raw["seq"]),
        int(raw["boxesSeq"]),
        json.loads(raw["boxes"]),
        np.asarray(image, np.uint8),
    )
