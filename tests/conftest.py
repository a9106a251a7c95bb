"""Fixtures for every test: a real Mosquitto, free ports, and the optional test data."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from shared.secrets import known

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# How long an example takes, and to make one, depends on how busy the machine is; tests that bound time do so
# themselves.
hypothesis.settings.register_profile(
    "darner", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("darner")

REPO = Path(__file__).resolve().parent.parent
SHARED = REPO.parent / "shared"
"""Detectors, videos and ground truth that are not part of the project."""


def pytest_sessionfinish() -> None:
    """Write what was measured while pytest-xdist still waits: it kills workers that take over 10 s to end."""
    coverage = sys.modules.get("coverage")
    if coverage is not None and (measuring := coverage.Coverage.current()):
        measuring.stop()
        measuring.save()


@pytest.fixture(autouse=True)
def no_known_secrets() -> Iterator[None]:
    """Forget the secrets that a test has made known, which would be hidden in the messages of the next."""
    yield
    known.forget()


def unmeasured() -> dict[str, str]:
    """An environment for programs whose coverage is not measured, which writes files and imports modules."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""Number of this process among those that run tests side by side."""
_FIRST_PORT, _PORTS_EACH, _SHARES = 12_000, 1_000, 20


def _own_ports() -> Iterator[int]:
    first = _FIRST_PORT + WORKER % _SHARES * _PORTS_EACH
    return itertools.cycle(random.sample(range(first, first + _PORTS_EACH), _PORTS_EACH))


_ports = _own_ports()


def free_port() -> int:
    """A TCP port from this worker's share on which nothing listens.

    All shares are below the ports that the system assigns by itself (32768 and up on Linux). So no connection
    and no other worker takes the port before the test does.
    """
    while True:
        port = next(_ports)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_until(condition: Callable[[], object], timeout: float = 30.0) -> None:
    """Wait until the condition holds; fail the test when it does not in time.

    The time costs nothing where all is well, so it is long enough for a machine that others use as well.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"did not happen within {timeout:.0f} s")
        time.sleep(0.02)


def wait_for_port(port: int, timeout: float = 30.0, host: str = "127.0.0.1") -> None:
    """Wait until something accepts connections; fail the test when nothing does in time."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            socket.create_connection((host, port), timeout=1.0).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"nothing listens on {host}:{port} after {timeout:.0f} s")


@dataclass(frozen=True)
class Mosquitto:
    """A running broker."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The value for the configuration key mqtt.url."""
        return f"mqtt://{self.host}:{self.port}"


class MosquittoProcess:
    """A Mosquitto of this test's own, on a fixed port, that can be killed and started again."""

    def __init__(
        self, folder: Path, port: int | None = None, extra: str = "", *, anonymous: bool = True
    ) -> None:
        self.port = port or free_port()
        self._config = folder / f"mosquitto-{self.port}.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nset_tcp_nodelay true\n"
            f"allow_anonymous {str(anonymous).lower()}\n"
            f"user root\n{extra}\n"  # else, started by root, it becomes a user who cannot read this folder
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The value for the configuration key mqtt.url."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Process id of the running broker."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start and wait until it listens."""
        self._process = subprocess.Popen(
            [mosquitto_binary(), "-c", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for_port(self.port)

    def pause(self) -> None:
        """Let the process hang: connections stay, and nothing is read from them."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Stop at once, as a crash would (kill -9)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def mosquitto_binary() -> str:
    """Path of Mosquitto; the test fails, saying how to get it, when there is none."""
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.fail("these tests need a real broker: apt install mosquitto (or start a container engine)")
    return found


def container_engine_answers() -> bool:
    """Whether testcontainers would find an engine."""
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    scheme, _, place = address.partition("://")
    try:
        if scheme == "unix":
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(2)
                probe.connect(place)
        else:
            host, _, port = place.partition(":")
            socket.create_connection((host, int(port)), timeout=2).close()
    except (OSError, ValueError):
        return False
    return True


@pytest.fixture(scope="session", autouse=True)
def _no_state_at_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the state of processes under test out of the user's home."""
    os.environ["DARNER_STATE"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session", autouse=True)
def _no_models_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep models in the user's cache out of the tests, where `model.name: auto` would choose them."""
    from edge_node.assets.download import cache_dir

    videos = cache_dir() / "videos"
    videos.mkdir(parents=True, exist_ok=True)
    folder = tmp_path_factory.mktemp("cache")
    (folder / "videos").symlink_to(videos.absolute())
    os.environ["DARNER_CACHE"] = str(folder)


@pytest.fixture(autouse=True)
def _state_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what one test left unsent away from the next one."""
    monkeypatch.setenv("DARNER_STATE", str(tmp_path / "state"))


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A real Mosquitto: in a container where an engine answers, else the installed program."""
    if container_engine_answers():
        from testcontainers.core.container import DockerContainer

        container = DockerContainer("eclipse-mosquitto:2").with_exposed_ports(1883)
        config = tmp_path_factory.mktemp("mosquitto") / "mosquitto.conf"
        config.write_text("listener 1883\nallow_anonymous true\nset_tcp_nodelay true\n")
        container.with_volume_mapping(str(config), "/mosquitto/config/mosquitto.conf")
        with container:
            # get_container_host_ip takes any machine with /.dockerenv for a container of this engine.
            host, port = container.get_docker_client().host(), int(container.get_exposed_port(1883))
            wait_for_port(port, host=host)
            yield Mosquitto(host, port)
        return
    process = MosquittoProcess(tmp_path_factory.mktemp("mosquitto"))
    process.start()
    yield Mosquitto("127.0.0.1", process.port)
    process.kill()


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[MosquittoProcess]:
    """A Mosquitto that this test may kill and restart."""
    process = MosquittoProcess(tmp_path)
    process.start()
    yield process
    process.kill()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of test data beside the project; skips where it is absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"needs the test data in {SHARED}")
    return SHARED


def find_demo_video(folder: pytest.TempPathFactory) -> Path:
    """The demo's video, downloaded by the first worker that wants it while others wait.

    Raises:
        SourceError: The video cannot be downloaded.
    """
    from edge_node.assets.samples import find_video

    temporary = folder.getbasetemp()
    # A worker's folder lies in that of the whole run.
    run = temporary.parent if "PYTEST_XDIST_WORKER" in os.environ else temporary
    with (run / "video.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return find_video()


@pytest.fixture(scope="session")
def people_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real video of people walking: the test data's copy, else the demo's own, downloaded once."""
    from shared.errors import SourceError

    beside = SHARED / "data" / "video" / "vtest.avi"
    if beside.is_file():
        return beside
    try:
        return find_demo_video(tmp_path_factory)
    except SourceError as error:
        pytest.skip(str(error))


CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The system's Chromium, else Playwright's own; a process has one, as Playwright allows no second."""
    from playwright.sync_api import expect, sync_playwright  # not in the environments of `make test-engines`

    expect.set_options(timeout=30_000)  # instead of 5 s, which a busy machine takes now and then

    installed = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        if installed is None and not Path(playwright.chromium.executable_path).exists():
            pytest.fail(
                "the browser tests need Chromium: apt install chromium, or playwright install chromium"
            )
        browser = playwright.chromium.launch(executable_path=installed, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()
