from __future__ import annotations

from pathlib import Path

import pytest

from edge_node.machine import thermal
from edge_node.machine.vitals import Monitor
from tests.edge_node.machine.test_hardware import tree

ORIN = {
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "61250\n",
    "sys/class/thermal/thermal_zone1/type": "gpu-thermal\n",
    "sys/class/thermal/thermal_zone1/temp": "58000\n",
    "sys/class/thermal/thermal_zone2/type": "cv0-thermal\n",  # without power, it has no temperature to read
    "sys/class/thermal/thermal_zone10/type": "tj-thermal\n",
    "sys/class/thermal/thermal_zone10/temp": "61250\n",
    "sys/class/thermal/cooling_device0/type": "cpu-throttle-alert\n",
    "sys/class/thermal/cooling_device0/cur_state": "1\n",
    "sys/class/thermal/cooling_device1/type": "gpu-throttle-alert\n",
    "sys/class/thermal/cooling_device1/cur_state": "0\n",
    "sys/class/thermal/cooling_device2/type": "pwm-fan\n",
    "sys/class/thermal/cooling_device2/cur_state": "3\n",
    "sys/class/hwmon/hwmon1/oc1_event_cnt": "4\n",
    "sys/class/hwmon/hwmon1/oc3_event_cnt": "0\n",
}
SERVER = {
    "sys/class/thermal/thermal_zone0/type": "x86_pkg_temp\n",
    "sys/class/thermal/thermal_zone0/temp": "44000\n",
    "sys/class/thermal/thermal_zone1/type": "x86_pkg_temp\n",
    "sys/class/thermal/thermal_zone1/temp": "47000\n",
    "sys/class/thermal/cooling_device0/type": "Processor\n",
    "sys/class/thermal/cooling_device0/cur_state": "0\n",
    "sys/class/thermal/cooling_device1/type": "intel_powerclamp\n",
    "sys/class/thermal/cooling_device1/cur_state": "-1\n",
}


@pytest.mark.parametrize(
    ("files", "temperatures", "slowed_by", "over_current"),
    [
        pytest.param(
            ORIN,
            {"cpu-thermal": 61.25, "gpu-thermal": 58.0, "tj-thermal": 61.25},
            ("cpu-throttle-alert",),
            {"hwmon1 oc1": 4, "hwmon1 oc3": 0},
            id="a Jetson Orin that is hot; its fan slows nothing down",
        ),
        pytest.param(
            SERVER, {"x86_pkg_temp": 44.0, "x86_pkg_temp 1": 47.0}, (), {}, id="a server with two sockets"
        ),
        pytest.param({}, {}, (), {}, id="a container that shows nothing"),
    ],
)
def test_heat_is_read_from_the_kernels_files(
    files: dict[str, str],
    temperatures: dict[str, float],
    slowed_by: tuple[str, ...],
    over_current: dict[str, int],
    tmp_path: Path,
) -> None:
    assert thermal.read(tree(tmp_path, files)) == thermal.Heat(
        temperatures_c=temperatures, slowed_by=slowed_by, over_current=over_current
    )


def test_over_current_is_reported_when_its_counter_grows(tmp_path: Path) -> None:
    with Monitor(tree(tmp_path, ORIN)) as monitor:
        assert monitor.read().throttled == ("cpu-throttle-alert",), "what was before the start is no news"
        (tmp_path / "sys/class/hwmon/hwmon1/oc1_event_cnt").write_text("5\n")
        assert monitor.read().throttled == ("cpu-throttle-alert", "over-current hwmon1 oc1")
        vitals = monitor.read()
    assert vitals.throttled == ("cpu-throttle-alert",)
    assert vitals.temperatures_c["gpu-thermal"] == 58.0
    assert vitals.memory_mb > 1
