from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import REPO, unmeasured

HEAVY = ("cv2", "onnxruntime", "paho", "psutil", "scipy", "sqlite3")


@pytest.mark.parametrize("module", ["camera_settings", "model_settings", "settings", "sources", "changes"])
def test_reading_the_settings_loads_no_network_engine_and_no_mqtt_client(module: str) -> None:
    loaded = f"import sys, edge_node.config.{module}; print(*sorted(m.split('.')[0] for m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", loaded], cwd=REPO, env=unmeasured(), capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) & set(HEAVY) == set()
