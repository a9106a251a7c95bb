from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge_node.analytics.watch import Analysed
from edge_node.collect.chooser import Chooser
from edge_node.collect.collector import Collector, folder
from edge_node.collect.keeper import Source
from edge_node.collect.looks import SecondLook
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.collecting import CollectPlace, CollectSettings
from edge_node.config.publishing import SnapshotSettings, ThumbnailSettings
from edge_node.config.settings import EdgeConfig
from edge_node.frames import Detected
from shared import collected
from shared.collected import Seeing
from shared.wire.messages import CollectMetrics
from tests.conftest import wait_until
from tests.edge_node.collect.shown import landscape, show, shown
from tests.edge_node.scenes import CLASSES, Actor, clock, film, stand, unseen

SOURCE = Source("shop", "s-1", CLASSES, lambda: Seeing(name="nanodet"))
LOST = Actor(1, unseen(stand(0.5, 0.6), (2.0, 2.5)))


def config(root: Path, camera: str = "street", **values: Any) -> EdgeConfig:
    settings = CollectSettings(**{"enabled": True, "reasons": ("flicker",), **values})
    cameras = {camera: CameraSettings(source=0, collect=settings)}
    return EdgeConfig(node="shop", cameras=cameras, collect=CollectPlace(path=str(root)))


def play(collector: Collector, frames: Iterable[tuple[Detected, Analysed]], *, hangs: bool = False) -> None:
    for detected, item in frames:
        collector.offer([detected], [item])
        time.sleep(0.0005)  # as much as between the frames of very fast cameras
        wait_until(lambda: hangs or collector.look() is None)


def told(collector: Collector) -> CollectMetrics:
    now = collector.metrics("street")
    assert now is not None
    return now


def pictures(root: Path, camera: str = "street") -> list[Path]:
    there = root / camera
    return sorted(collected.pictures(there)) if there.exists() else []


def has(root: Path, count: int) -> bool:
    return len(pictures(root)) == count


def test_a_running_collector_keeps_what_is_worth_labelling(tmp_path: Path) -> None:
    with Collector(config(tmp_path), SOURCE) as collector:
        play(collector, show([LOST], clock(10, 6)))
        wait_until(lambda: told(collector).pictures == 1)
        assert told(collector).last_reason == "flicker"
    assert [collected.read(path).reasons for path in pictures(tmp_path)] == [("flicker",)]


def test_a_camera_keeps_nothing_unless_it_is_told_to(tmp_path: Path) -> None:
    with Collector(config(tmp_path, enabled=False), SOURCE) as collector:
        play(collector, show([LOST], clock(10, 6)))
        assert collector.metrics("street") is None
    assert not list(tmp_path.iterdir())


def test_settings_change_while_it_runs(tmp_path: Path) -> None:
    off, on = config(tmp_path, enabled=False), config(tmp_path)
    with Collector(off, SOURCE) as collector:
        frames = list(show([LOST], clock(10, 6)))
        play(collector, frames[:22])
        collector.reconfigure("street", on.cameras["street"])
        play(collector, frames[22:])  # what happened before says nothing
        play(collector, ((d, replace(i, now_s=i.now_s + 60)) for d, i in frames))
        wait_until(lambda: len(pictures(tmp_path)) == 1)
        collector.reconfigure("street", off.cameras["street"])
        play(collector, ((d, replace(i, now_s=i.now_s + 600)) for d, i in frames))
        assert collector.metrics("street") is None
    assert len(pictures(tmp_path)) == 1


def test_what_was_there_before_a_pause_of_collecting_says_nothing(tmp_path: Path) -> None:
    off, on = config(tmp_path, enabled=False), config(tmp_path)
    frames = list(show([LOST], clock(10, 6)))
    with Collector(on, SOURCE) as collector:
        play(collector, frames[:16])
        collector.reconfigure("street", off.cameras["street"])
        collector.reconfigure("street", on.cameras["street"])
        play(collector, frames[21:])  # without the object, and then with it
        wait_until(lambda: collector.look() is None)
    assert pictures(tmp_path) == []


def test_a_lowered_limit_takes_effect_without_another_frame(tmp_path: Path) -> None:
    with Collector(config(tmp_path, reasons=("new_scene",), interval_s=0.2), SOURCE) as collector:
        for number in range(3):
            tracks, _ = next(film([], [0.0]))
            picture = landscape(light=0.2 + 0.25 * number)
            play(collector, [shown(tracks, number * 10.0, picture)])
            wait_until(partial(has, tmp_path, number + 1))
        collector.reconfigure("street", config(tmp_path, pictures=1).cameras["street"])
        wait_until(lambda: len(pictures(tmp_path)) == 1)


SILENT = {"thumbnail": ThumbnailSettings(fps=0), "snapshot": SnapshotSettings(enabled=False)}


def test_a_camera_that_publishes_no_pictures_keeps_none_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loud = config(tmp_path)
    quiet = replace(loud, cameras={"street": replace(loud.cameras["street"], **SILENT)})  # type: ignore[arg-type]  # by name
    with Collector(quiet, SOURCE) as collector:
        play(collector, show([LOST], clock(10, 6)))
        assert "publishes no pictures" in str(told(collector).trouble)
        assert caplog.text.count("publishes no pictures") == 1
        assert pictures(tmp_path) == []
        collector.reconfigure("street", loud.cameras["street"])
        play(collector, ((d, replace(i, now_s=i.now_s + 60)) for d, i in show([LOST], clock(10, 6))))
        wait_until(lambda: pictures(tmp_path))
        collector.reconfigure("street", quiet.cameras["street"])
        play(collector, ((d, replace(i, now_s=i.now_s + 600)) for d, i in show([LOST], clock(10, 6))))
    assert len(pictures(tmp_path)) == 1


def test_a_fault_in_choosing_is_said_once_and_does_not_end_the_thread_that_tracks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choose(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(Chooser, "choose", choose)
    with Collector(config(tmp_path), SOURCE) as collector:
        play(collector, show([LOST], clock(10, 1)))
    assert caplog.text.count("because of a fault (said once)") == 1
    assert "RuntimeError: a fault" in caplog.text


@contextmanager
def hanging(root: Path) -> Iterator[tuple[Collector, threading.Event]]:
    """A collector whose second look does not come back until the event is set."""
    go = threading.Event()

    def look(*_: object) -> Any:
        go.wait(60)
        raise RuntimeError("the network is gone")

    values: dict[str, Any] = {
        "reasons": ("disagreement", "new_scene", "flicker"),
        "second_look_s": 1.0,
        "interval_s": 0.2,
    }
    with Collector(config(root, **values), SOURCE, SecondLook(look)) as collector:
        try:
            yield collector, go
        finally:
            go.set()


def test_frames_never_wait_for_a_thread_that_hangs_and_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with hanging(tmp_path) as (collector, go):
        began = time.thread_time()
        for start in range(0, 60, 6):
            frames = show([LOST], clock(10, 6))
            play(collector, ((d, replace(i, now_s=i.now_s + start)) for d, i in frames), hangs=True)
        assert time.thread_time() - began < 5
        assert told(collector).dropped["busy"] > 5
        go.set()
        wait_until(lambda: "said once" in caplog.text)
        wait_until(lambda: collector.look() is None)  # it takes frames again
    assert caplog.text.count("said once") == 1


def test_the_folder_is_the_nodes_own_unless_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DARNER_STATE", str(tmp_path))
    assert folder(EdgeConfig(node="shop")) == tmp_path / "collected-shop"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert folder(EdgeConfig(collect=CollectPlace(path="~/kept"))) == tmp_path / "kept"
