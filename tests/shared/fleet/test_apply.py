"""Rollouts over a real broker, to nodes that refuse, vanish, fall silent, or that somebody else changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import orjson
import pytest

from edge_node.control.commands import RefusedError
from shared.fleet import connect as connecting
from shared.fleet import deliver, health, rollout, runs
from shared.fleet.__main__ import main
from shared.fleet.connect import Fleet, connect
from shared.fleet.deliver import Delivery
from shared.fleet.plan import plan_node
from shared.fleet.rollout import Pace, Result, Rollout
from shared.fleet.steps import NodePlan
from shared.fleet.wanted.folder import Folder
from shared.mqtt.address import MqttSettings
from shared.wire import topics
from shared.wire.messages import MaskDefinition, ZoneDefinition
from tests.conftest import Mosquitto, wait_until
from tests.shared.fleet.simulated import NEW, OLD, Simulated, simulated

ZONES = "zones: {queue: {polygon: [[0, 0], [0.5, 0], [0.5, 0.5]]}}\n"
MINE = {"mine": ZoneDefinition(polygon=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)))}


@pytest.fixture(autouse=True)
def _quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARNER_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(connecting, "QUIET_S", 0.1)
    monkeypatch.setattr(deliver, "ANSWER_S", 0.6)
    monkeypatch.setattr(deliver, "START_S", 3.0)
    monkeypatch.setattr(deliver, "BUSY_S", 0.01)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "folder"
    path.mkdir()
    return path


class Story:
    """A rollout whose plan has been made, and not yet carried out."""

    def __init__(self, fleet: Fleet, wanted: Folder) -> None:
        self.fleet, self._wanted = fleet, wanted
        self.plans = {name: self.plan(name) for name in fleet.inventory.nodes}
        self.said: list[str] = []

    def plan(self, name: str) -> NodePlan:
        return plan_node(self.fleet.inventory.get(name), self._wanted)

    def go(self, pace: Pace, stop: Callable[[], bool] = lambda: False) -> tuple[Result, str]:
        run = runs.new_name()
        head = runs.Head(
            run=run, command="apply", folder="f", broker="b", prefix="p", nodes=("*",), started="now"
        )
        with runs.Journal(head) as journal:
            delivery = Delivery(
                self.fleet.requests,
                self.fleet.inventory,
                journal,
                lambda node: plan_node(node, self._wanted),
                shown_s=0.4,
            )
            going = Rollout(delivery, self.fleet.inventory, pace, stop, self.said.append)
            return going.run([one for one in self.plans.values() if one.steps]), run


@contextmanager
def planned(url: str, prefix: str, folder: Path, version: Literal["5", "3.1.1"] = "5") -> Iterator[Story]:
    settings = MqttSettings(url=url, prefix=prefix, version=version)
    with connect(settings, ("*",), metrics=True) as fleet:
        yield Story(fleet, Folder(folder))


def states(result: Result, node: str) -> list[tuple[str, str]]:
    return [(one.step.kind, one.state) for one in result.outcomes[node]]


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_each_node_comes_to_what_it_can_and_what_it_cannot_is_said(
    broker: Mosquitto, folder: Path, version: Literal["5", "3.1.1"]
) -> None:
    (folder / "a.yaml").write_text(ZONES + "settings: {confidence: 0.4}\n")
    (folder / "m.yaml").write_text(f"nodes: [refuses, loads]\nmodel: {{sha256: '{NEW}'}}\n")
    (folder / "c.yaml").write_text("nodes: [again]\ncamera: {max_fps: 5}\n")
    names = [
        "good",
        "busy",
        "clashes",
        "edited",
        "races",
        "deaf",
        "mute",
        "dies",
        "refuses",
        "loads",
        "again",
    ]
    prefix = f"fleet-{version.replace('.', '')}"
    with (
        simulated(broker.url, prefix, names, version) as nodes,
        planned(broker.url, prefix, folder, version) as story,
    ):
        edited = nodes["edited"]
        edited.definitions.save("till", MINE, {}, 1)
        edited.say(topics.ZONES)
        wait_until(lambda: story.plan("edited").steps[0].version == 2)
        clashing = MaskDefinition(polygon=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)))
        nodes["clashes"].definitions.save("till", {}, {}, 1, {"queue": clashing})
        nodes["clashes"].say(topics.ZONES)
        wait_until(
            lambda: (head := story.fleet.inventory.get("clashes").cameras["till"].head) and head.version == 2
        )
        nodes["races"].on_request = lambda command: _saves_first(nodes["races"], command)
        nodes["busy"].on_request = lambda _: _is_busy_once(nodes["busy"])
        nodes["deaf"].deaf = nodes["mute"].mute = True
        nodes["dies"].on_request = lambda _: nodes["dies"].end("killed")
        nodes["dies"].mute = True
        nodes["loads"].file = NEW
        result, run = story.go(Pace(canary=0, batch=20, pause_s=0, max_failures=99))

    both = [("definitions", "done"), ("settings", "done")]
    assert states(result, "good") == states(result, "busy") == both
    assert nodes["busy"].asked == ["zones.set", "zones.set", "set"]
    assert states(result, "loads") == [("model", "done"), *both]
    assert states(result, "again") == [("cameras", "done"), *both], "settings come after the restart"
    assert nodes["again"].live["confidence"] == 0.4
    assert states(result, "clashes") == [("definitions", "failed"), ("settings", "failed")]
    assert "'queue' names a zone and a mask" in result.outcomes["clashes"][0].note
    assert states(result, "refuses") == [("model", "failed")]
    assert "copy the wanted file over it" in result.outcomes["refuses"][0].note
    assert states(result, "edited") == [("definitions", "conflict")]
    assert "saved version 2 since the plan was made for 1" in result.outcomes["edited"][0].note
    assert edited.asked == [], "what somebody has drawn is not even touched"
    assert states(result, "races") == [("definitions", "conflict")]
    assert set(nodes["races"].definitions["till"].zones) == {"mine"}
    for node in ("deaf", "mute", "dies"):
        assert states(result, node) == [("definitions", "unknown")], node
    assert result.failed == ["clashes", "deaf", "dies", "edited", "mute", "races", "refuses"]
    kept = {(one.node, one.step.kind): one.state for one in runs.records(run)}
    assert kept["dies", "definitions"] == "unknown"
    assert ("edited", "definitions") not in kept


def _is_busy_once(node: Simulated) -> None:
    node.on_request = lambda _: None
    raise RefusedError("busy", "32 requests wait already")


def _saves_first(node: Simulated, command: str) -> None:
    if command == "zones.set":
        node.on_request = lambda _: None
        node.definitions.save("till", MINE, {}, 1)
        node.say(topics.ZONES)


def test_an_unwell_canary_ends_it_and_so_does_a_stop(
    broker: Mosquitto, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "SETTLED_S", 0.0)
    monkeypatch.setattr(rollout, "MAX_OUTSTANDING", 1)  # so that those of a batch wait for one another
    (folder / "a.yaml").write_text(ZONES)
    names = [f"shop-{number}" for number in range(6)]
    with (
        simulated(broker.url, "fleet-canary", names) as nodes,
        planned(broker.url, "fleet-canary", folder) as story,
    ):
        first = nodes["shop-0"]

        def stall(command: str) -> None:  # noqa: ARG001 - as every such function
            first.fps = 0.0
            first.say(topics.METRICS)
            threading.Timer(0.2, first.say, (topics.METRICS,)).start()

        first.on_request = stall
        result, _ = story.go(Pace(canary=1, batch=2, pause_s=5))
        assert result.unwell == {"shop-0": ["camera till is said to stream, and no frame is analysed"]}
        assert (result.ended, result.untouched) == ("failures", names[1:])

        stop = threading.Event()
        nodes["shop-2"].on_request = lambda _: stop.set()
        story.plans.pop("shop-0")
        result, _ = story.go(Pace(canary=1, batch=2, pause_s=0), stop.is_set)
        assert states(result, "shop-2") == [("definitions", "done")], "what was begun is finished"
        assert result.ended == "stopped"
        assert result.outcomes.keys() == {"shop-1", "shop-2"}
        assert set(result.untouched) == {"shop-3", "shop-4", "shop-5"}


def test_the_command_line_plans_applies_and_puts_back(
    broker: Mosquitto, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.yaml").write_text(ZONES + "camera: {name: Kasse}\n")
    written = tmp_path / "out.json"
    options = ["--broker", broker.url, "--prefix", "fleet-main", "--json", str(written)]
    quickly = ["--yes", "--pause", "0", "--batch", "9"]

    def run(*words: str) -> int:
        code = main([*words, *options])
        assert written.stat().st_size > 0
        return code

    with simulated(broker.url, "fleet-main", ["shop-1", "shop-2", "shop-3"]) as nodes:
        nodes["shop-3"].end()
        assert run("status") == 0
        assert "3 nodes, 2 online" in capsys.readouterr().out
        assert main(["status", "--nodes", "shop_*", *options]) == 2
        assert "no node is known to the broker; is --nodes right?" in capsys.readouterr().err
        assert run("plan", str(folder)) == 4
        assert "3 nodes: shop-1, shop-2, shop-3 (offline)" in capsys.readouterr().out
        assert main(["apply", str(folder), *options]) == 2, "nobody can be asked, and nobody has said yes"
        assert [node.asked for node in nodes.values()] == [[], [], []]
        assert run("apply", str(folder), *quickly) == 3
        assert "1 were offline and are as before: shop-3" in capsys.readouterr().out
        assert [node.asked for node in nodes.values()] == [["cameras.set", "zones.set"]] * 2 + [[]]
        assert run("plan", str(folder), "--nodes", "shop-[12]") == 0
        threading.Timer(1.0, nodes["shop-3"].start).start()
        assert run("apply", str(folder), *quickly, "--wait", "9") == 0
        assert run("status", str(folder), "--nodes", "shop-3") == 0
        assert run("rollback", str(folder), *quickly) == 0  # the last run, which was of shop-3 alone
        assert orjson.loads(written.read_bytes())["nodes"].keys() == {"shop-3"}
        nodes["shop-2"].definitions.save("till", MINE, {}, 2)
        nodes["shop-2"].say(topics.ZONES)
        capsys.readouterr()
        assert run("rollback", str(folder), *quickly) == 1
        assert "somebody has changed it since; it is left as it is" in capsys.readouterr().out
    assert [set(node.definitions["till"].zones) for node in nodes.values()] == [set(), {"mine"}, set()]
    assert [node.entry.name for node in nodes.values()] == [None, None, None]
    assert main(["runs"]) == 0
    assert capsys.readouterr().out.count("apply") == 2
    assert all(node.model == OLD for node in nodes.values())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["plan", "{folder}", "--nodes", "shop 1"], "--nodes: 'shop 1' fits no identifier"),
        (["apply", "{folder}", "--yes", "--canary", "0%"], "--canary '0%'"),
        (["apply", "{folder}", "--yes", "--pause", "nan"], "--pause nan: expected 0 or more"),
        (["rollback", "nothing"], "nothing: neither a run nor a folder of one"),
        (["plan", "{folder}/missing"], "no such folder"),
    ],
)
def test_a_wrong_word_ends_it_with_a_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    (folder / "a.yaml").write_text(ZONES)
    given: list[Any] = [word.format(folder=folder) for word in words]
    assert main([*given, "--broker", "mqtt://127.0.0.1:1"]) == 2, "it is said before anybody is connected"
    assert says in capsys.readouterr().err
