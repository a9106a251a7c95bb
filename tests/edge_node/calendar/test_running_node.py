"""A real node with a real broker: schedules and modes pause zones, masks and cameras, and bring them back."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

from shared.wire import topics
from tests.conftest import Mosquitto
from tests.integration.test_file_to_mqtt import Listener, config, edge, listening
from tests.integration.test_reload import Node, running

WHOLE = [[0, 0], [1, 0], [1, 1], [0, 1]]
SHOP = {  # safe_dump sorts: home comes first
    "modes": {"home": {}, "out": {}},
    "schedules": {"out": {"modes": ["out"]}, "home": {"modes": ["home"]}},
}


def newest(heard: Listener, row: topics.Topic, **fields: Any) -> Any:
    found = [one for one in heard.of(row) if all(getattr(one, key) == want for key, want in fields.items())]
    return found[-1] if found else None


def test_a_mode_pauses_and_resumes_what_names_a_schedule_and_survives_a_kill(
    broker: Mosquitto, people_video: Path, tmp_path: Path
) -> None:
    prefix = "test-calendar/v1"
    settings = config(broker.url, people_video, prefix, pace="realtime", loop=True, max_fps=5)
    settings["zones_file"] = str(tmp_path / "zones.json")
    settings["calendar"] = SHOP
    camera = settings["cameras"]["street"]
    camera["zones"] = {"all": {"polygon": WHOLE, "schedule": "out"}, "free": {"polygon": WHOLE}}
    camera["masks"] = {"veil": {"polygon": WHOLE, "schedule": "out"}}
    with running(broker, tmp_path, settings, prefix) as node:
        heard = node.heard
        heard.listen_until(lambda: bool(newest(heard, topics.MODE, mode="home")))
        assert newest(heard, topics.CALENDAR).version == 1
        heard.listen_until(lambda: newest(heard, topics.ZONE, zone="all").paused == "schedule")
        # The mask is off, so that people are seen.
        heard.listen_until(lambda: newest(heard, topics.ZONE, zone="free").occupancy > 0)
        assert newest(heard, topics.ZONE, zone="all").occupancy == 0

        assert node.ask("mode.set", mode="out").result == {"mode": "out", "next_change_us": None}
        heard.listen_until(lambda: newest(heard, topics.ZONE, zone="all").paused is None)
        # Now the mask covers everything.
        heard.listen_until(lambda: newest(heard, topics.ZONE, zone="free").occupancy == 0)
        _kill_and_start_again(node, tmp_path, settings)


def _kill_and_start_again(node: Node, tmp_path: Path, settings: dict[str, Any]) -> None:
    heard = node.heard
    node.process.send_signal(signal.SIGKILL)
    node.process.wait(10)
    session = newest(heard, topics.STATUS).session
    with edge(tmp_path, settings):
        heard.listen_until(lambda: heard.of(topics.MODE)[-1].session != session)
        mode = heard.of(topics.MODE)[-1]
        assert mode.mode == "out" and mode.by_hand
        assert {name: one.active for name, one in mode.schedules.items()} == {"out": True, "home": False}
        heard.listen_until(lambda: newest(heard, topics.STATUS).session != session)

        # A camera that is off schedule is paused, says why, and comes back.
        settings["cameras"]["street"]["schedule"] = "home"
        node.write(settings)
        assert "cameras.street.schedule" in node.ask("reload").result["applied"]
        heard.listen_until(lambda: newest(heard, topics.CAMERA_STATUS).status == "paused")
        assert newest(heard, topics.CAMERA_STATUS).reason == "off schedule home"
        # A change of the calendar resumes it: now the schedule holds in both modes.
        both = json.loads(json.dumps(SHOP))
        both["schedules"]["home"]["modes"] = ["home", "out"]
        began = time.monotonic()
        answer = node.ask("calendar.set", calendar=both, version=1)
        assert answer.result == {"version": 2, "warnings": []}
        heard.listen_until(lambda: newest(heard, topics.CAMERA_STATUS).status == "streaming")
        assert time.monotonic() - began < 5
        conflict = node.ask("calendar.set", calendar=both, version=1)
        assert conflict.code == "conflict"
        wrong = node.ask("calendar.set", calendar={"timezone": "Moon/Base"}, version=2)
        assert wrong.code == "invalid"
        del both["schedules"]["out"]
        warned = node.ask("calendar.set", calendar=both, version=2).result
        assert warned is not None
        assert [one.split(":")[1] for one in warned["warnings"]] == [
            " zone 'all' counts always",
            " mask 'veil' holds always",
        ]


def test_a_node_without_a_calendar_says_nothing_of_one(
    broker: Mosquitto, people_video: Path, tmp_path: Path
) -> None:
    prefix = "test-no-calendar/v1"
    settings = config(broker.url, people_video, prefix, pace="realtime", loop=True, max_fps=5)
    with listening(broker.url, prefix) as heard, edge(tmp_path, settings):
        heard.listen_until(lambda: heard.names()["detections"] >= 3)
        assert heard.of(topics.CALENDAR) == [] and heard.of(topics.MODE) == []
