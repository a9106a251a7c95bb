"""The images and services for GPUs: what can be read from their files. `make test-images` builds them."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from tests.conftest import REPO

IMAGES = ("Dockerfile.gpu", "Dockerfile.jetson")
COMPOSE: dict[str, Any] = yaml.safe_load((REPO / "docker-compose.yml").read_text())
SERVICES = {"edge-gpu": "gpu", "edge-jetson": "jetson"}
PODMAN_COMPOSE = shutil.which("podman-compose")


def steps(name: str) -> list[str]:
    """The instructions of a Dockerfile, each in one line."""
    text = (REPO / "edge_node" / name).read_text()
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    return [re.sub(r"\s+", " ", one) for one in plain.replace("\\\n", " ").splitlines() if one.strip()]


def pinned(name: str) -> set[str]:
    """The packages of a lock file."""
    return set(re.findall(r"^([a-z0-9-]+)==", (REPO / "requirements" / name).read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_for_gpus_ends_like_the_one_for_processors(name: str) -> None:
    ours, plain = steps(name), steps("Dockerfile")
    for kind in ("USER", "ENTRYPOINT", "WORKDIR /home"):
        assert [one for one in ours if one.startswith(kind)] == [one for one in plain if one.startswith(kind)]
    user = next(one for one in plain if one.startswith("RUN useradd"))
    assert user in ours
    assert ours.index("USER darner") < ours.index('ENTRYPOINT ["python", "-m", "edge_node"]')


@pytest.mark.parametrize("name", IMAGES)
def test_what_gstreamer_writes_lies_where_a_read_only_container_can_write(name: str) -> None:
    variables = next(one for one in steps(name) if one.startswith("ENV PATH=/opt"))
    for one in ("GST_REGISTRY", "XDG_CACHE_HOME"):  # without the latter, Fontconfig complains at each start
        assert f"{one}=/tmp/" in variables


def test_both_images_for_gpus_are_built_in_the_same_steps() -> None:
    gpu, jetson = (steps(name)[1 : steps(name).index("FROM ${BASE}")] for name in IMAGES)
    assert gpu == jetson


def test_the_lock_of_the_images_has_all_but_tensorrt_which_the_base_has() -> None:
    packages = pinned("edge-gpu.lock")
    assert pinned("edge.lock") <= packages
    assert {"pycuda", "nvidia-ml-py", "pynvvideocodec"} <= packages
    assert not {one for one in packages if one.startswith("tensorrt")}
    assert {one for one in packages if one.startswith("opencv")} == {"opencv-python-headless"}


@pytest.mark.parametrize(("service", "profile"), SERVICES.items())
def test_a_service_for_gpus_waits_for_its_profile_and_keeps_its_engines(service: str, profile: str) -> None:
    told = COMPOSE["services"][service]
    assert told["profiles"] == [profile], "docker compose up must not start it"
    assert told["build"]["dockerfile"] in {f"edge_node/{name}" for name in IMAGES}
    [cache] = [one.split(":")[0] for one in told["volumes"] if one.endswith(":/var/cache/darner")]
    assert cache in COMPOSE["volumes"], "an engine would be built at each start"
    assert cache not in str(COMPOSE["services"]["edge"]["volumes"])
    assert told["healthcheck"]["start_period"] == "30m", "a first engine takes minutes"
    assert (
        told["environment"]["DARNER_NODE"]
        != yaml.safe_load((REPO / "edge_node/demo.yaml").read_text())["node"]
    )


def test_each_service_gets_its_gpu_in_the_way_that_its_machine_has() -> None:
    [device] = COMPOSE["services"]["edge-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["driver"] == "nvidia"
    assert {"gpu", "compute", "utility", "video"} == set(device["capabilities"])
    jetson = COMPOSE["services"]["edge-jetson"]
    assert (jetson["runtime"], jetson["deploy"]) == ("nvidia", {})


@pytest.mark.skipif(PODMAN_COMPOSE is None, reason="podman-compose is not installed")
@pytest.mark.parametrize(
    ("profiles", "nodes"),
    [
        pytest.param([], {"edge"}, id="no profile"),
        pytest.param(["gpu"], {"edge", "edge-gpu"}, id="gpu"),
        pytest.param(["jetson"], {"edge", "edge-jetson"}, id="jetson"),
    ],
)
def test_compose_reads_the_file_and_its_profiles(profiles: list[str], nodes: set[str]) -> None:
    words = [str(PODMAN_COMPOSE), *(f"--profile={one}" for one in profiles), "config"]
    done = subprocess.run(words, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    services = yaml.safe_load(done.stdout)["services"]
    assert {name for name in services if name.startswith("edge")} == nodes
