"""Several detectors of one model: one on each GPU, or several on a CPU, each with its share of the cores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from edge_node.machine.hardware import usable_cores


@contextmanager
def on_devices(settings: ModelSettings) -> Iterator[list[Detector]]:
    """A detector on each of the devices in the settings; one where none is named."""
    devices = settings.devices or (0,)
    settings = with_share_of_cores(settings, len(devices))
    with ExitStack() as stack:
        yield [stack.enter_context(Detector(settings, index)) for index in devices]


@contextmanager
def for_throughput(settings: ModelSettings, sessions: int) -> Iterator[list[Detector]]:
    """As many detectors as keep the machine busy.

    Args:
        settings: The model.
        sessions: Detectors on a CPU; elsewhere there is one on each device.
    """
    devices = settings.devices or (0,)
    settings = with_share_of_cores(settings, sessions)
    with ExitStack() as stack:
        first = stack.enter_context(Detector(settings, devices[0]))
        # While TensorRT builds its engine the model may run on the CPU, but soon it will not.
        on_cpu = first.device == "cpu" and settings.backend != "tensorrt"
        others = [Detector(settings, index) for index in (range(1, sessions) if on_cpu else devices[1:])]
        yield [first, *map(stack.enter_context, others)]


def with_share_of_cores(settings: ModelSettings, count: int) -> ModelSettings:
    """The settings of one of `count` detectors: its share of the cores, unless the user set the threads."""
    if count == 1 or settings.threads:
        return settings
    return replace(settings, threads=max(1, usable_cores() // count))
