"""Several detectors of one model share the machine."""

from __future__ import annotations

import pytest

from edge_node.config.model_settings import ModelSettings
from edge_node.detect.devices import for_throughput, on_devices, with_share_of_cores
from edge_node.machine.hardware import usable_cores


@pytest.mark.parametrize(
    ("count", "configured", "threads"),
    [
        pytest.param(1, 0, 0, id="one alone has all cores"),
        pytest.param(2, 0, max(1, usable_cores() // 2), id="two have half of them each"),
        pytest.param(1000, 0, 1, id="each has one at least"),
        pytest.param(2, 3, 3, id="what the user set stays"),
    ],
)
def test_detectors_share_the_cores(count: int, configured: int, threads: int) -> None:
    assert with_share_of_cores(ModelSettings(threads=configured), count).threads == threads


def test_there_is_a_detector_for_each_named_device() -> None:
    with on_devices(ModelSettings(devices=(0, 1))) as detectors:
        assert [detector.device for detector in detectors] == ["cpu", "cpu"]


def test_on_a_cpu_there_are_as_many_detectors_as_asked_for() -> None:
    with for_throughput(ModelSettings(), 3) as detectors:
        assert len(detectors) == 3
