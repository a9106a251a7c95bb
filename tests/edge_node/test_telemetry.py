"""No library that Darner brings reports to its maker."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# What ONNX Runtime takes for a test or a build server, where it is silent by itself.
QUIET_BY_THEMSELVES = ("CI", "GITHUB_ACTIONS", "TF_BUILD", "ORT_RUNNING_UNIT_TESTS", "ORT_DISABLE_TELEMETRY")
MODEL = "edge_node/assets/weights/nanodet_g.onnx"
RUN = """
import sys
if sys.argv[1] != "onnxruntime":
    __import__(sys.argv[1])
import onnxruntime
onnxruntime.InferenceSession(sys.argv[2], providers=["CPUExecutionProvider"])
"""


def left_at_home(home: Path, package: str) -> list[str]:
    """Files that a program leaves at home after it has imported a package and opened a model."""
    home.mkdir()
    env = {name: value for name, value in os.environ.items() if name not in QUIET_BY_THEMSELVES}
    env |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
    subprocess.run([sys.executable, "-c", RUN, package, MODEL], env=env, check=True, timeout=60)
    return [path.name for path in home.rglob("*") if path.is_file()]


@pytest.mark.parametrize("package", ["edge_node", "optimization"])
def test_onnx_runtime_keeps_no_identifier_and_sends_nothing(tmp_path: Path, package: str) -> None:
    if "deviceid" not in left_at_home(tmp_path / "without", "onnxruntime"):
        pytest.skip("this ONNX Runtime, or this machine, writes no identifier by itself")
    assert left_at_home(tmp_path / "with", package) == []
