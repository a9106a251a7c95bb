"""The units for systemd and the containers: valid, confined, and naming commands and options that exist."""

from __future__ import annotations

import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

from tests.conftest import REPO

UNITS = (
    "edge_node/darner-edge.service",
    "viewer_server/darner-viewer.service",
    "viewer_server/darner-archive.service",
)
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(
    ANALYZE is None, reason="systemd-analyze is not installed: apt install systemd"
)


class _Unit(ConfigParser):
    def optionxform(self, optionstr: str) -> str:
        return optionstr


def service(name: str) -> dict[str, str]:
    unit = _Unit(strict=False, interpolation=None)
    unit.read(REPO / name)
    return dict(unit["Service"])


@pytest.fixture
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The unit with a program and a user that this machine has."""
    text = (REPO / request.param).read_text()
    command = service(request.param)["ExecStart"]
    path = tmp_path / Path(request.param).name
    path.write_text(text.replace(command, "/bin/true").replace("User=darner", "User=daemon"))
    return path


@needs_systemd
@pytest.mark.parametrize("here", UNITS, indirect=True)
def test_systemd_has_nothing_to_say_against_a_unit(here: Path) -> None:
    done = subprocess.run(
        [str(ANALYZE), "verify", "--man=no", str(here)], capture_output=True, text=True, check=False
    )
    said = [line for line in done.stderr.splitlines() if here.name in line]
    assert (done.returncode, said) == (0, [])


@needs_systemd
@pytest.mark.parametrize("here", UNITS, indirect=True)
def test_a_unit_exposes_little(here: Path) -> None:
    words = [str(ANALYZE), "security", "--offline=true", "--threshold=30", str(here)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if "unrecognized option" in done.stderr or "Unknown" in done.stderr:
        pytest.skip("this systemd-analyze is older than 250 and judges running units only")
    assert done.returncode == 0, done.stdout.splitlines()[-1]


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_names_a_command_of_ours_and_lets_it_be_supervised(name: str) -> None:
    told = service(name)
    program, option, _ = told["ExecStart"].split()
    assert f'{Path(program).name} = "' in (REPO / "pyproject.toml").read_text()
    assert option == "--config"
    assert (told["Type"], told["Restart"], told["User"]) == ("notify", "on-failure", "darner")
    assert int(told["WatchdogSec"]) > 2 * 10, "the program's own watchdog speaks first"
    assert int(told["TimeoutStopSec"]) > 8, "the program ends by itself first"


@pytest.mark.parametrize("name", ["docker-compose.yml", "docker-compose.secure.yml"])
def test_every_container_is_confined(name: str) -> None:
    plain = yaml.safe_load((REPO / "docker-compose.yml").read_text())["services"]
    for service_name, given in yaml.safe_load((REPO / name).read_text())["services"].items():
        base = plain[given["extends"]["service"]] if "extends" in given else {}
        told = base | given
        assert told["read_only"] is True, service_name
        assert told["cap_drop"] == ["ALL"], service_name
        assert told["security_opt"] == ["no-new-privileges:true"], service_name
        assert told["pids_limit"] <= 512, service_name
        assert told["mem_limit"], service_name
