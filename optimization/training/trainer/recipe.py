"""How a network is trained: everything that two runs must share to be the same run."""

from __future__ import annotations

import math
from dataclasses import dataclass

from optimization.training.trainer.families import Choice
from shared.errors import ConfigError

_GENTLE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is trained.

    Attributes:
        epochs: How often it sees each picture.
        batch: Pictures for one step, over all GPUs.
        side: Width and height of the input, pixels; None: as the network is made for.
        rate: The learning rate at its highest; None: its authors' for this batch, or a tenth of it for a
            network that starts with weights.
        average: Whether an average of the weights of many steps (EMA) is judged and kept.
        mixed: Whether a GPU computes in half precision where that is safe (AMP). A processor never does.
        freeze: "trunk" keeps what finds features as it is, and trains what finds objects; "none" trains all;
            "auto" is "trunk" for weights of an ONNX file, whose batch normalisation had to be rebuilt.
        mosaic: Chance that a picture is put together of four, 0..1. The last fifth of the epochs has none.
        mixup: Chance that another picture shines through such a picture, 0..1.
        erase: Chance that a part of a picture is erased, 0..1.
        scales: How far the size of the input varies, as a share of it, 0..0.5; all pictures of a step have
            the same size.
        patience: Epochs without a better result after which training ends; 0: never.
        seed: What every random choice comes from.

    Raises:
        ConfigError: A value is not allowed; the text names the command's option.
    """

    epochs: int = 100
    batch: int = 16
    side: int | None = None
    rate: float | None = None
    average: bool = True
    mixed: bool = True
    freeze: str = "auto"
    mosaic: float = 0.5
    mixup: float = 0.0
    erase: float = 0.0
    scales: float = 0.25
    patience: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least, most in (("epochs", 1, 100_000), ("batch", 1, 4096), ("patience", 0, 100_000)):
            _bounded(name, getattr(self, name), least, most)
        for name in ("mosaic", "mixup", "erase"):
            _bounded(name, getattr(self, name), 0, 1)
        _bounded("scales", self.scales, 0, 0.5)
        _bounded("seed", self.seed, 0, 2**31 - 1)
        if self.rate is not None and not 0 < self.rate < 1:
            raise ConfigError(f"--rate {self.rate}: must be above 0 and below 1")
        if self.freeze not in ("auto", "trunk", "none"):
            raise ConfigError(f"--freeze {self.freeze}: must be auto, trunk or none")

    def sized(self, choice: Choice) -> int:
        """Width and height of the input, pixels.

        Raises:
            ConfigError: The network cannot take that size.
        """
        side = self.side or choice.side
        if side % choice.family.stride or not 64 <= side <= 2048:
            takes = f"multiples of {choice.family.stride} from 64 to 2048"
            raise ConfigError(
                f"--size {side}: {choice.name} takes {takes if choice.family.layered else choice.side}"
            )
        return side

    def rated(self, choice: Choice, *, knows: bool) -> float:
        """The learning rate at its highest.

        Args:
            choice: The network.
            knows: Whether it starts with weights, which a high rate would destroy.
        """
        family = choice.family
        return self.rate or family.rate * self.batch / family.rate_batch * (_GENTLE if knows else 1.0)

    @property
    def plain(self) -> int:
        """The last epochs, whose pictures are not put together of others."""
        return math.ceil(self.epochs / 5)

    @property
    def warm_up(self) -> int:
        """The first epochs, in which the learning rate rises."""
        return min(5, max(1, self.epochs // 10))


def _bounded(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ConfigError(f"--{name} {value:g}: must be from {least:g} to {most:g}")
