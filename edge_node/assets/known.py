"""What the table says of a known model: its files, its licences, its accuracy and its cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from edge_node.assets.names import Layout

Permissive = Literal["Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause"]
"""The licences (SPDX) that a model of the table may have."""
PERMISSIVE: tuple[str, ...] = get_args(Permissive)


@dataclass(frozen=True, kw_only=True)
class Licence:
    """What the owners of code or weights say about their use.

    Attributes:
        name: SPDX name.
        quote: Their own words.
        where: Address of the page that has the words.
    """

    name: Permissive
    quote: str
    where: str


@dataclass(frozen=True, kw_only=True)
class Download:
    """A file that can be fetched and used as it is.

    Attributes:
        url: Its address.
        by: Who made the ONNX file; "its authors", or who converted their checkpoint.
        sha256: Its published or well-known hash, which it must have; None: the first download is trusted.
        size: Bytes, if known.
        pinned_by: Where the hash stands.
    """

    url: str
    by: str = "its authors"
    sha256: str | None = None
    size: int | None = None
    pinned_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class KnownModel:
    """A model that the configuration can name instead of a path. All of them know COCO's 80 classes.

    Attributes:
        name: Its name in the configuration.
        title: Its authors' name for it.
        layout: How its outputs are read.
        side: Longer side of the input that it was trained and scored with, in pixels.
        ap: COCO's average precision (val2017) as its authors give it, in percent.
        gflops: Work for one picture: a multiplication and an addition are two.
        scores: Where the two numbers stand.
        code: Licence of the network's code.
        weights: Licence of the trained weights.
        download: Where its file is; None for the model that comes with Darner, and for those of `recipe`.
        recipe: How to make the file, where nobody publishes one that can be used as it is.
        size: Side of its square input in pixels, where the name stands for one size of a network whose file
            leaves the size open; None otherwise.
        cost: Its time on an x86 CPU as a multiple of the built-in model's, measured with this network, or
            with one of the same layers and random weights; None where nobody measured it.
    """

    name: str
    title: str
    layout: Layout
    side: int
    ap: float
    gflops: float | None
    scores: str
    code: Licence
    weights: Licence
    download: Download | None = None
    recipe: str | None = None
    size: int | None = None
    cost: float | None = None

    @property
    def built_in(self) -> bool:
        """Whether it comes with Darner."""
        return self.download is None and self.recipe is None
