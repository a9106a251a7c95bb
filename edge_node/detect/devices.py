"""Several detectors of one model: one on each GPU, or several on a CPU, each with its share of the cores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

from edge_node.backends.choose import Building, choose
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.check import compared
from edge_node.detect.detector import Detector
from edge_node.machine.hardware import usable_cores


@contextmanager
def on_devices(settings: ModelSettings) -> Iterator[list[Detector]]:
    """A detector on each of the devices in the settings; one where none is named.

    While TensorRT builds an engine, another one may run, as the settings say.
    """
    with ExitStack() as stack:
        yield [
            stack.enter_context(one) for one in to_enter(settings, Building(meanwhile=True, check=compared))
        ]


def to_enter(settings: ModelSettings, building: Building | None = None) -> list[Detector]:
    """The same detectors, not entered yet.

    Args:
        settings: The model.
        building: What happens where TensorRT has to build an engine; None: wait for it.
    """
    open_backend = partial(choose, building=building or Building(check=compared))
    devices = settings.devices or (0,)
    settings = with_share_of_cores(settings, len(devices))
    return [Detector(settings, index, open_backend=open_backend) for index in devices]


@contextmanager
def for_throughput(settings: ModelSettings, sessions: int) -> Iterator[list[Detector]]:
    """As many detectors as keep the machine busy; they begin once TensorRT has built its engines.

    Args:
        settings: The model.
        sessions: Detectors on a CPU; elsewhere there is one on each device.
    """
    devices = settings.devices or (0,)
    settings = with_share_of_cores(settings, sessions)
    open_backend = partial(choose, building=Building(check=compared))
    detector = partial(Detector, settings, open_backend=open_backend)
    with ExitStack() as stack:
        first = stack.enter_context(detector(devices[0]))
        others = range(1, sessions) if first.device == "cpu" else devices[1:]
        yield [first, *(stack.enter_context(detector(index)) for index in others)]


def with_share_of_cores(settings: ModelSettings, count: int) -> ModelSettings:
    """The settings of one of `count` detectors: its share of the cores, unless the user set the threads."""
    if count == 1 or settings.threads:
        return settings
    return replace(settings, threads=max(1, usable_cores() // count))
