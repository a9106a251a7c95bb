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
from shared.errors import ModelError
from shared.geometry import F32

_DECAY = 1e-2
_MOST_GRADIENT = 10.0
_AVERAGE = 0.99
"""Share of the averaged weights that a step leaves as they are, once there are many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a network learns.

    Attributes:
        epochs: How often it sees each picture.
        minutes: When it stops before that; None: never. The learning rate falls in time for it.
        batch: Pictures for one step.
        rate: AdamW's learning rate at its highest.
        average: Whether the result is an average of the weights of many steps (EMA), not the last ones.
        seed: What every random choice comes from.
    """

    epochs: int = 8
    minutes: float | None = None
    batch: int = 8
    rate: float = 3e-4
    average: bool = True
    seed: int = 0


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
) -> tuple[dict[str, Any], list[float]]:
    """Let a network learn; its own weights are changed.

    Args:
        network: Starts with the weights of its file, which the other classes' answers must stay like.
        layout: Of its output.
        target: The input that all pictures are put into.
        examples: At least one.
        taught: Ids of the classes that the examples' boxes are about.
        plan: How.

    Returns:
        The weights to use, and the mean loss of each epoch.

    Raises:
        ModelError: The loss is no finite number.
    """
    chance = np.random.default_rng(plan.seed)
    torch.manual_seed(plan.seed)
    first = {name: weight.detach().clone() for name, weight in network.weights.items()}
    averaged = {name: weight.clone() for name, weight in first.items()}
    kernels = [weight for weight in network.weights.values() if weight.ndim > 1]
    others = [weight for weight in network.weights.values() if weight.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": kernels, "weight_decay": _DECAY}, {"params": others, "weight_decay": 0.0}], lr=plan.rate
    )
    steps = plan.epochs * math.ceil(len(examples) / plan.batch)
    ids, start, step, losses = torch.tensor(list(taught)), time.monotonic(), 0, []
    with tqdm(total=steps, unit=" steps", desc="training", disable=None) as bar:
        for epoch in range(plan.epochs):
            sums = []
            for images, truth in _batches(examples, target, plan.batch, chance):
                done = max(step / steps, _elapsed(start, plan.minutes))
                if done >= 1:
                    break
                for group in optimizer.param_groups:
                    group["lr"] = plan.rate * rate(done)
                value = _step(network, layout, target, images, truth, ids, first)
                now = float(value.detach())
                if not math.isfinite(now):
                    raise ModelError(
                        f"the loss became {now} in epoch {epoch + 1}; nothing was written: try a "
                        f"lower learning rate than {plan.rate:g}"
                    )
                optimizer.zero_grad()
                value.backward()
                torch.nn.utils.clip_grad_norm_(list(network.weights.values()), _MOST_GRADIENT)
                optimizer.step()
                step += 1
                _take_in(averaged, network.weights, min(_AVERAGE, (1 + step) / (10 + step)))
                sums.append(now)
                bar.update()
                bar.set_postfix(loss=f"{np.mean(sums):.3f}", epoch=epoch + 1)
            if sums:
                losses.append(float(np.mean(sums)))
    last = {name: weight.detach() for name, weight in network.weights.items()}
    return (averaged if plan.average else last), losses


def _elapsed(start: float, minutes: float | None) -> float:
    return 0.0 if minutes is None else (time.monotonic() - start) / (60 * minutes)


def _step(
    network: Network,
    layout: Layout,
    target: InputFormat,
    images: Any,
    truth: list[Objects],
    taught: Any,
    first: dict[str, Any],
) -> Any:
    """The loss of one batch."""
    size = (target.width, target.height)
    with torch.no_grad():
        before = read(layout, network(images, first)[0], *size)
    return loss(read(layout, network(images)[0], *size), truth, taught, before)


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
