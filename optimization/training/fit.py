"""A network learns from pictures, epoch by epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from edge_node.assets.names import Layout
from edge_node.backends.preprocess import InputFormat
from edge_node.pictures import U8
from optimization.training.augment import Boxes, augment
from optimization.training.losses import Objects, loss
from optimization.training.network.answers import read
from optimization.training.network.interpreter import Network
from optimization.training.schedule import rate
from shared.errors import ConfigError, ModelError
from shared.geometry import F32

_DECAY = 1e-2
_MOST_GRADIENT = 10.0
_AVERAGE = 0.99
"""Share of the averaged weights that a step leaves as they are, once there are many."""
_STEPS, _EPOCHS = 200, (4, 60)
"""Unless told otherwise, a network learns for about so many steps, within so many epochs."""
_REMINDED = 4
"""Every so many pictures of a batch, one is also shown to the network as it was, for the other classes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a network learns.

    Attributes:
        epochs: How often it sees each picture; None: so often that there are about 200 steps.
        minutes: How long all may take, labelling and judging included; None: as long as it takes. The
            learning rate falls in time for it.
        batch: Pictures for one step.
        rate: AdamW's learning rate at its highest.
        average: Whether the result is an average of the weights of many steps (EMA), not the last ones.
        seed: What every random choice comes from.
        device: Where PyTorch computes: "cpu", "cuda", or "auto": on a GPU where there is one.
    """

    epochs: int | None = None
    minutes: float | None = 4.5
    batch: int = 8
    rate: float = 3e-4
    average: bool = True
    seed: int = 0
    device: str = "auto"

    def steps(self, pictures: int) -> tuple[int, int]:
        """How many epochs, and how many steps in each, for so many pictures."""
        each = math.ceil(pictures / self.batch)
        return self.epochs or min(max(round(_STEPS / each), _EPOCHS[0]), _EPOCHS[1]), each


def chosen_device(name: str) -> str:
    """The device that a plan names.

    Raises:
        ConfigError: PyTorch does not have it.
    """
    there = torch.cuda.is_available()
    if name == "auto":
        return "cuda" if there else "cpu"
    if name.startswith("cuda") and not there:
        raise ConfigError(f"--device {name}: PyTorch finds no GPU here; use cpu or auto")
    return name


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A picture to learn from.

    Attributes:
        picture: Gives it: u8 ``(H, W, 3)``, BGR.
        boxes: What is in it, pixels of the picture.
    """

    picture: Callable[[], U8]
    boxes: Boxes


def fit(
    network: Network,
    layout: Layout,
    target: InputFormat,
    examples: Sequence[Example],
    taught: Sequence[int],
    plan: Plan,
    seconds: float | None = None,
) -> tuple[dict[str, Any], list[float]]:
    """Let a network learn; its own weights are changed.

    Args:
        network: Starts with the weights of its file, which the other classes' answers must stay like.
        layout: Of its output.
        target: The input that all pictures are put into.
        examples: At least one.
        taught: Ids of the classes that the examples' boxes are about.
        plan: How.
        seconds: When it stops before its last step; None: never.

    Returns:
        The weights to use, and the mean loss of each epoch.

    Raises:
        ModelError: The loss is no finite number, or nothing in the network can be learnt.
    """
    if not network.weights:
        raise ModelError(
            "the model stores no weights that can be learnt, perhaps because they are constants of its "
            "graph: `darner-optimize simplify` makes them weights"
        )
    chance = np.random.default_rng(plan.seed)
    torch.manual_seed(plan.seed)
    # Convolutions of pictures take a fifth less time where a pixel's channels lie together.
    for weight in network.weights.values():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    learner = _Learner(network, layout, target, taught, plan)
    epochs, each = plan.steps(len(examples))
    start, step, losses = time.monotonic(), 0, []
    with tqdm(total=epochs * each, unit=" steps", desc="training", disable=None) as bar:
        for epoch in range(epochs):
            sums = []
            for images, truth in _batches(examples, target, plan.batch, chance):
                done = max(step / (epochs * each), _elapsed(start, seconds))
                if done >= 1:
                    break
                now = learner.step(images, truth, rate(done))
                if not math.isfinite(now):
                    raise ModelError(
                        f"the loss became {now} in epoch {epoch + 1}; nothing was written: try a "
                        f"lower learning rate than {plan.rate:g}"
                    )
                step += 1
                sums.append(now)
                bar.update()
                bar.set_postfix(loss=f"{np.mean(sums):.3f}", epoch=epoch + 1)
            if sums:
                losses.append(float(np.mean(sums)))
    return learner.weights(), losses


class _Learner:
    """A network with its optimizer, and the weights that it began with."""

    def __init__(
        self, network: Network, layout: Layout, target: InputFormat, taught: Sequence[int], plan: Plan
    ) -> None:
        self._network, self._layout, self._plan = network, layout, plan
        self._size = (target.width, target.height)
        weights = list(network.weights.values())
        self._taught = torch.tensor(list(taught), device=network.device)
        self._first = {name: weight.detach().clone() for name, weight in network.weights.items()}
        self._averaged = {name: weight.clone() for name, weight in self._first.items()}
        kernels = [weight for weight in weights if weight.ndim > 1]
        others = [weight for weight in weights if weight.ndim <= 1]
        self._optimizer = torch.optim.AdamW(
            [{"params": kernels, "weight_decay": _DECAY}, {"params": others, "weight_decay": 0.0}],
            lr=plan.rate,
        )
        self._steps = 0

    def step(self, images: Any, truth: list[Objects], share: float) -> float:
        """Learn from a batch with a share of the learning rate; the loss before that."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._plan.rate * share
        value = self._loss(images.to(self._network.device), [one.to(self._network.device) for one in truth])
        now = float(value.detach())
        if math.isfinite(now):
            self._optimizer.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(list(self._network.weights.values()), _MOST_GRADIENT)
            self._optimizer.step()
            self._steps += 1
            _take_in(
                self._averaged, self._network.weights, min(_AVERAGE, (1 + self._steps) / (10 + self._steps))
            )
        return now

    def weights(self) -> dict[str, Any]:
        """What was learnt."""
        if self._plan.average:
            return self._averaged
        return {name: weight.detach() for name, weight in self._network.weights.items()}

    def _loss(self, images: Any, truth: list[Objects]) -> Any:
        images = images.contiguous(memory_format=torch.channels_last)
        said = read(self._layout, self._network(images)[0], *self._size)
        if said.scores.shape[2] == len(self._taught):
            return loss(said, truth, self._taught, None)
        # The network as it was takes a third of a step's time: a few pictures of each batch are enough.
        shown = images[::_REMINDED]
        with torch.no_grad():
            before = read(self._layout, self._network(shown, self._first)[0], *self._size)
        return loss(said, truth, self._taught, before, _REMINDED)


def _elapsed(start: float, seconds: float | None) -> float:
    return 0.0 if seconds is None else (time.monotonic() - start) / max(seconds, 1e-3)


def _take_in(averaged: dict[str, Any], now: dict[str, Any], share: float) -> None:
    with torch.no_grad():
        for name, weight in now.items():
            averaged[name].lerp_(weight, 1 - share)


def _batches(
    examples: Sequence[Example], target: InputFormat, size: int, chance: np.random.Generator
) -> Iterator[tuple[Any, list[Objects]]]:
    """All examples once, in a random order; the next batch is made while this one is learnt from."""
    order = chance.permutation(len(examples))
    chosen = [order[at : at + size] for at in range(0, len(order), size)]
    seeds = chance.integers(0, 2**32, len(order))  # each picture has its own: threads change nothing

    def make(number: int) -> tuple[Any, list[Objects]]:
        made = []
        for place, index in enumerate(chosen[number]):
            example, seed = examples[index], seeds[number * size + place]
            made.append(augment(example.picture(), example.boxes, target, np.random.default_rng(seed)))
        return torch.from_numpy(np.stack([image for image, _ in made])), [
            _objects(boxes) for _, boxes in made
        ]

    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(make, 0)
        for number in range(len(chosen)):
            now, ahead = ahead, pool.submit(make, number + 1) if number + 1 < len(chosen) else ahead
            yield now.result()


def _objects(boxes: Boxes) -> Objects:
    sure = boxes.sure.astype(bool)

    def tensor(values: F32 | np.ndarray[Any, Any], dtype: Any) -> Any:
        return torch.from_numpy(np.ascontiguousarray(values)).to(dtype)

    return Objects(
        tensor(boxes.xyxy[sure], torch.float32),
        tensor(boxes.class_id[sure], torch.long),
        tensor(boxes.xyxy[~sure], torch.float32),
        tensor(boxes.class_id[~sure], torch.long),
    )
