"""A real Prometheus reads a real node and viewer: it answers the dashboards' queries, and alerts fire."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import REPO, Mosquitto, free_port, wait_for_port, wait_until
from tests.docs.test_grafana import GRAFANA, Query, queries, rules
from tests.integration.test_file_to_mqtt import config, edge

pytestmark = pytest.mark.skipif(
    shutil.which("promtool") is None or shutil.which("prometheus") is None,
    reason="Prometheus is not installed: sudo apt install prometheus",
)
NOT_HERE = re.compile(
    "gpu|temperature|throttled|snapshots_dropped|camera_looks|camera_problem|not_collected|messages_refused"
    "|camera_left_out"
)
"""Without a GPU, sensors, tiles, losses, problems, and cameras that detect by themselves, there are none."""


@pytest.fixture(scope="module")
def prometheus(
    broker: Mosquitto, people_video: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """The port of a Prometheus that reads a node, a viewer, and a node that is not there, once a second."""
    folder = tmp_path_factory.mktemp("prometheus")
    ports = {name: free_port() for name in ("edge", "viewer", "gone", "prometheus")}
    settings = node(broker, people_video, folder, ports["edge"])
    scrapes = {"darner-edge": [ports["edge"], ports["gone"]], "darner-viewer": [ports["viewer"]]}
    alerts = yaml.safe_load((GRAFANA / "alerts.yml").read_text())
    for rule in alerts["groups"][0]["rules"]:
        rule.pop("for", None)  # promtool tries how long they wait; here they fire at once
    (folder / "alerts.yml").write_text(yaml.safe_dump(alerts))
    (folder / "prometheus.yml").write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": ["alerts.yml"],
                "scrape_configs": [
                    {
                        "job_name": job,
                        "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in found]}],
                    }
                    for job, found in scrapes.items()
                ],
            }
        )
    )
    viewer = [
        "-m",
        "viewer_server",
        "--set",
        f"mqtt.url={broker.url}",
        "--set",
        f"http.port={ports['viewer']}",
    ]
    listen = f"--web.listen-address=127.0.0.1:{ports['prometheus']}"
    store = f"--storage.tsdb.path={folder / 'data'}"
    reader = ["prometheus", f"--config.file={folder / 'prometheus.yml'}", store, listen]
    environment = os.environ | {"DARNER_STATE": str(folder)}
    with ExitStack() as stack:
        stack.enter_context(edge(folder, settings))
        for command in ([sys.executable, *viewer], reader):
            started = subprocess.Popen(command, cwd=REPO, stderr=subprocess.DEVNULL, env=environment)
            stack.callback(end, started)
        for port in ports["edge"], ports["viewer"], ports["prometheus"]:
            wait_for_port(port)
        wait_until(lambda: ask(ports["prometheus"], "darner_edge_uptime_seconds > 12"), 60)
        yield ports["prometheus"]


def node(broker: Mosquitto, video: Path, folder: Path, port: int) -> dict[str, Any]:
    """A node that has all that a machine without a GPU can have, and a camera that is not there."""
    settings = config(broker.url, video, "darner/v1", pace="realtime", loop=True)
    street = settings["cameras"]["street"]
    street["masks"] = {"corner": {"polygon": [[0, 0], [0.3, 0], [0.3, 1], [0, 1]]}}
    street["zones"]["all"] |= {"queue": True, "loitering_s": 2, "name": "Überall"}
    street["collect"] = {"enabled": True}
    settings["collect"] = {"path": str(folder / "collected")}
    settings["cameras"]["dead"] = {"source": "rtsp://127.0.0.1:1/nothing"}
    settings["outbox"] = {"path": str(folder / "outbox.db")}
    return settings | {"prometheus": {"port": port}}


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(20)


def ask(port: int, query: str) -> list[dict[str, Any]]:
    """The result of a query now; nothing while Prometheus starts."""
    address = f"http://127.0.0.1:{port}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    except urllib.error.HTTPError as error:
        if error.code != 503:
            raise AssertionError(f"{query}: {error.read().decode()}") from None
        return []
    return found


def filled(query: Query) -> str:
    """A dashboard's query for a node and all of its cameras."""
    expr = query.expr.replace("$__rate_interval", "10s").replace("$node", "box").replace("$camera", ".*")
    return re.sub(r"\[(1h|\d+m)\]", "[10s]", expr)


def test_prometheus_answers_every_query_of_the_dashboards(prometheus: int) -> None:
    asked = [query for query in queries() if not query.where.startswith("alerts.yml")]
    wait_until(lambda: ask(prometheus, 'rate(darner_zone_dwell_seconds_count{node="box"}[10s]) > 0'), 60)
    silent = [query.expr for query in asked if not ask(prometheus, filled(query))]
    assert [expr for expr in silent if not NOT_HERE.search(expr)] == []
    occupancy = next(filled(query) for query in asked if query.where.endswith("Objects in zones"))
    assert ask(prometheus, occupancy)
    named = next(query for query in asked if "darner_zone_info" in query.expr)
    assert ask(prometheus, filled(named))[0]["metric"]["name"] == "Überall"


def test_alerts_fire_for_what_is_wrong_and_for_nothing_else(prometheus: int) -> None:
    def firing() -> set[tuple[str, str]]:
        return {
            (one["metric"]["alertname"], one["metric"].get("camera", ""))
            for one in ask(prometheus, 'ALERTS{alertstate="firing"}')
        }

    wait_until(lambda: len(firing()) >= 2, 30)
    wrong = firing() - {("DarnerLatencyHigh", "street"), ("DarnerFramesReplaced", "street")}  # a busy machine
    assert wrong == {("DarnerNodeDown", ""), ("DarnerCameraWithoutFrames", "dead")}
    assert len(rules()) > 10


@pytest.mark.parametrize(
    "command",
    [
        ("check", "rules", "alerts.yml"),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "alerts_test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_finds_no_fault(command: tuple[str, ...]) -> None:
    done = subprocess.run(["promtool", *command], cwd=GRAFANA, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried() -> None:
    tried = set(re.findall(r"alertname: (\w+)", (GRAFANA / "alerts_test.yml").read_text()))
    assert {rule["alert"] for rule in rules()} == tried
