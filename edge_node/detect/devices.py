"""Several detectors of one model: one for each GPU, or on a CPU each with its share of the cores."""

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
    with ExitStack() as stack:
        yield [stack.enter_context(Detector(shared(settings, len(devices)), index)) for index in devices]


@contextmanager
def at_once(settings: ModelSettings, sessions: int) -> Iterator[list[Detector]]:
    """As many detectors as keep the machine busy: several on a CPU, else one on each device."""
    devices = settings.devices or (0,)
    with ExitStack() as stack:
        first = stack.enter_context(Detector(shared(settings, sessions), devices[0]))
        # While its engine is built, TensorRT's model may run on the CPU, and not for long.
        on_cpu = first.device == "cpu" and settings.backend != "tensorrt"
        further = range(1, sessions) if on_cpu else devices[1:]
        others = [Detector(shared(settings, sessions), index) for index in further]
        yield [first, *map(stack.enter_context, others)]


def shared(settings: ModelSettings, count: int) -> ModelSettings:
    """The same for one of so many: with its part of the cores, unless the threads are set."""
    if count == 1 or settings.threads:
        return settings
    return replace(settings, threads=max(1, usable_cores() // count))
