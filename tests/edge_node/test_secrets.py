"""Whatever a node and a viewer show, it has no secret of the configuration in it."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.config import load
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.settings import EdgeConfig
from edge_node.config.sources import check_source, describe
from shared.errors import DarnerError
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from tests.conftest import REPO, Mosquitto, free_port
from tests.shared.secrets.addresses import ODD, WORDS, Secretive, addresses, secret
from tests.viewer_server.process import ViewerProcess

PASSWORD = f"{WORDS[0]} #{WORDS[1]}"
SOURCES = {
    "at": "rtsp://admin:Wv3Jy@Qx9Zj@127.0.0.1:9/s",
    "slash": "rtsp://admin:Wv3Jy/Qx9Zj@127.0.0.1:9/s",
    "odd": 'rtsp://admin:Wv3Jy%ss w"q\\b#Qx9Zj@127.0.0.1:9/s',
    "path": "rtsp://127.0.0.1:9/user=admin&password=Wv3Jy&channel=1.sdp",
    "query": "http://127.0.0.1:9/video.cgi?user=admin&pwd=Wv3Jy",
    "srt": "srt://127.0.0.1:9?passphrase=Wv3JyWv3Jy&streamid=Qx9Zj",
}


@given(addresses(), secret())
def test_no_printed_configuration_description_or_error_shows_a_secret(address: Secretive, word: str) -> None:
    cameras = {"a": CameraSettings(source=address.address)}
    config = EdgeConfig(node="box", cameras=cameras, mqtt=MqttSettings(username="u", password=word))
    shown = [load.as_yaml(config), describe(address.address)]
    try:
        check_source("a", address.address)
    except DarnerError as error:
        shown.append(str(error))
    assert not [text for text in shown for piece in address.secrets if piece in text]


@settings(max_examples=40)  # each is seven configurations; `make fuzz` takes more
@given(st.text(st.sampled_from(ODD + "x"), max_size=4).map(lambda odd: f"{WORDS[0]}{odd}{WORDS[1]}"))
def test_no_error_about_settings_repeats_a_secret(word: str) -> None:
    for overrides in (
        [f"mqtt.password={word}", "mqtt.keepalive_s=never"],
        [f"mqtt.pasword={word}"],
        [f"mqtt={word}"],
        [f"mqtt={{password: [{word}]}}"],
        [f"mqtt={{password: {word}, keepalive_s: 1}}"],
        [f"cameras.a={{source: [rtsp://u:{word}@cam/1]}}"],
        [f"cameras.a={{source: 'rtsp://u:{word}@cam/1', fps: 1000}}"],
    ):
        try:
            load.configuration(None, overrides)
        except DarnerError as error:
            assert not [piece for piece in WORDS if piece in str(error)], str(error)


def test_nothing_that_runs_shows_a_secret(broker: Mosquitto, tmp_path: Path) -> None:
    cameras: dict[str, object] = {name: {"source": source} for name, source in SOURCES.items()}
    file = tmp_path / "edge.yaml"
    prometheus = free_port()
    file.write_text(
        yaml.safe_dump(
            {
                "node": "secretive",
                "cameras": cameras,
                "log_level": "DEBUG",
                "prometheus": {"port": prometheus},
            }
        )
    )
    words = [sys.executable, "-m", "edge_node", "--config", str(file), "--set", f"mqtt.url={broker.url}"]
    words += ["--set", "mqtt.username=reader", "--set", f"mqtt.password={PASSWORD}"]
    seen: dict[str, str] = {}
    with (
        Client(MqttSettings(url=broker.url), name="reader") as reader,
        ViewerProcess(broker.url, tmp_path, "history.path=null") as viewer,
    ):
        reader.subscribe("darner/v1/secretive/#", 1)
        assert reader.wait_subscribed(30)
        with (tmp_path / "log").open("wb") as log:
            node = subprocess.Popen(words, cwd=REPO, stderr=log, stdout=log)
        try:
            while sum('"reconnecting"' in text for text in seen.values()) < len(SOURCES):
                received = reader.received.get(30)
                seen[received.topic] = received.payload.decode(errors="replace")
            seen["list of processes"] = Path(f"/proc/{node.pid}/cmdline").read_bytes().decode()
            served = f"http://127.0.0.1:{prometheus}/metrics"
            with urllib.request.urlopen(served, timeout=30) as answer:
                seen["node's metrics"] = answer.read().decode()
            for path in ("/api/v1/nodes", "/api/v1/cameras", "/metrics", "/system"):
                seen[path] = viewer.get(path).decode()
        finally:
            node.terminate()
            node.wait(60)
        seen["viewer's log"] = viewer.log
    seen["node's log"] = (tmp_path / "log").read_text()
    printed = subprocess.run(
        [*words, "--print-config"], cwd=REPO, capture_output=True, text=True, check=True, env=os.environ
    )
    seen["printed"] = printed.stdout + printed.stderr
    shown = {name: [word for word in (*WORDS, "admin") if word in text] for name, text in seen.items()}
    assert not {name: found for name, found in shown.items() if found}, seen
    assert "rtsp://127.0.0.1:9/s" in seen["darner/v1/secretive/info"], "what may be seen is there"
    assert "rtsp://127.0.0.1:9/s" in seen["node's log"]
