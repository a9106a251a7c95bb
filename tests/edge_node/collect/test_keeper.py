from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_node.collect.chooser import Candidate, Chooser, Step
from edge_node.collect.keeper import Keeper, Source
from edge_node.collect.looks import SecondLook
from edge_node.collect.shelf import Shelf
from edge_node.config.collecting import CollectSettings
from edge_node.config.settings import TrackerSettings
from edge_node.frames import Detections
from edge_node.ignore.rules import Rules
from edge_node.pictures import U8
from shared import collected
from shared.collected import Collected, Reason, Seeing
from shared.wire.messages import MaskDefinition
from tests.edge_node.collect.shown import PICTURE, landscape, show, shown
from tests.edge_node.gpu_pictures import HostCopier, on_gpu
from tests.edge_node.scenes import CLASSES, HEIGHT, WIDTH, Actor, film, stand

SOURCE = Source("shop", "s-1", CLASSES, lambda: Seeing(name="nanodet", sha256="a" * 64))
TRACKS = next(film([Actor(1, stand(0.5, 0.6))], [0.0]))[0]


class Kept:
    """A keeper, its chooser and its folder."""

    def __init__(
        self, folder: Path, second_look: SecondLook | None = None, *, hourly: bool = True, **values: Any
    ) -> None:
        settings = replace(CollectSettings(enabled=True, reasons=("low_score", "flicker")), **values)
        self.folder = folder
        self.chooser = Chooser(settings, TrackerSettings())
        shelf = Shelf(folder, reserve_bytes=0)
        self.keeper = Keeper("street", self.chooser, shelf, SOURCE, second_look, hourly=hourly)

    def take(self, t: float, step: Step = "keep", picture: U8 = PICTURE, *reasons: Reason) -> bool:
        """Hand on a frame of a time."""
        _, item = shown(TRACKS, t, picture)
        given = reasons or (("low_score",) if step == "keep" else ())
        return self.keeper.take(Candidate(step, t, item, given))

    def pictures(self) -> list[Collected]:
        """What is said of the pictures, oldest first."""
        paths = sorted(collected.pictures(self.folder), key=lambda path: collected.when(path) or (0, 0))
        return [collected.read(path) for path in paths]


def test_a_picture_is_whole_and_says_what_the_model_proposes(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    assert kept.take(3.0)
    [path] = collected.pictures(tmp_path)
    picture = cv2.imread(str(path))
    assert picture is not None
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(picture.astype(int) - PICTURE).mean() < 3
    said = collected.read(path)
    assert (said.node, said.camera, said.session, said.seq) == ("shop", "street", "s-1", 300)
    assert said.size == (WIDTH, HEIGHT)
    assert said.light == pytest.approx(PICTURE.mean() / 255, abs=0.01)
    assert said.model == Seeing(name="nanodet", sha256="a" * 64)
    [box] = said.boxes
    assert (box.label, box.score) == ("person", 0.9)
    assert box.xyxy == pytest.approx((0.48, 0.48, 0.52, 0.6), abs=1e-4)


def test_a_picture_in_a_gpus_memory_is_kept_as_any_other(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    _, item = shown(TRACKS, 1.0)
    there = replace(item, frame=replace(item.frame, picture=on_gpu(PICTURE, HostCopier())))
    assert kept.keeper.take(Candidate("keep", 1.0, there, ("flicker",)))
    [path] = collected.pictures(tmp_path)
    picture = cv2.imread(str(path))
    assert picture is not None
    assert picture.shape == (HEIGHT, WIDTH, 3)


def test_a_held_frame_is_kept_once_it_is_clear_why(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    _, item = shown(TRACKS, 2.0)
    held = Candidate("hold", 2.0, item)
    assert not kept.keeper.take(held)
    assert held.item is None  # its pixels are free
    assert kept.pictures() == []
    held.step, held.reasons = "keep", ("flicker",)
    assert kept.keeper.take(held)
    assert not kept.keeper.take(held)
    assert [one.reasons for one in kept.pictures()] == [("flicker",)]


def test_a_sampled_frame_is_kept_if_its_scene_is_new(tmp_path: Path) -> None:
    kept = Kept(tmp_path, reasons=("new_scene",))
    assert kept.take(1.0, "sample")
    assert not kept.take(10.0, "sample")
    assert kept.take(20.0, "sample", landscape(light=0.2))
    assert not kept.take(30.0, "sample")
    assert [one.reasons for one in kept.pictures()] == [("new_scene",)] * 2
    again = Kept(tmp_path, reasons=("new_scene",))  # after a restart
    assert not again.take(40.0, "sample")
    assert again.take(50.0, "sample", landscape(seed=9))


def test_a_deleted_folder_is_forgotten(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "street", reasons=("new_scene",))
    assert kept.take(1.0, "sample")
    shutil.rmtree(kept.folder)
    assert kept.take(11.0, "sample")
    assert not kept.take(21.0, "sample")
    assert kept.keeper.metrics().pictures == 1


def test_a_scene_that_is_new_is_said_beside_another_reason(tmp_path: Path) -> None:
    kept = Kept(tmp_path, reasons=("new_scene", "low_score"))
    assert kept.take(1.0)
    assert kept.take(9.0)
    assert [one.reasons for one in kept.pictures()] == [("low_score", "new_scene"), ("low_score",)]


def looks(*boxes: tuple[float, float], rules: Callable[[str], Rules] | None = None) -> SecondLook:
    """A second look that finds people at these places of the mirrored picture, fractions of its width."""

    def look(image: U8, least: float) -> Detections:
        assert least < 0.5
        assert (image[:, ::-1] == PICTURE).all()
        xyxy = [(x * WIDTH - 26, 345.6, x * WIDTH + 26, 432.0) for x, _ in boxes]
        score = np.array([score for _, score in boxes], np.float32)
        return Detections(np.array(xyxy, np.float32).reshape(-1, 4), score, np.zeros(len(boxes), np.int32))

    return SecondLook(look, rules=rules)


@pytest.mark.parametrize(
    ("mirrored", "disagrees", "boxes"),
    [
        ([(0.5, 0.8)], False, 0),
        ([(0.5, 0.8), (0.1, 0.3)], False, 0),  # what only the second look sees is not sure
        ([(0.5, 0.35)], False, 0),  # unsure, but there
        ([(0.5, 0.2)], True, 1),  # so faint that the tracker would ignore it
        ([(0.5, 0.8), (0.1, 0.8)], True, 2),  # the second look sees one more
        ([], True, 1),  # the second look sees nothing
    ],
)
def test_a_second_look_that_finds_something_else(
    tmp_path: Path, mirrored: list[tuple[float, float]], disagrees: bool, boxes: int
) -> None:
    kept = Kept(tmp_path, looks(*mirrored), reasons=("disagreement",))
    detected, item = shown(TRACKS, 1.0)
    sure = np.array([0.5], np.float32)
    candidate = Candidate("look", 1.0, item, first=detected.detections, sure=sure)
    assert kept.keeper.take(candidate) == disagrees
    assert [len(one.boxes) for one in kept.pictures()] == [boxes] * disagrees
    if boxes == 2:
        [one] = kept.pictures()
        assert one.boxes[1].xyxy[0] == pytest.approx(
            0.9 - 26 / WIDTH, abs=1e-4
        )  # as it is, not in the mirror


def test_looks_that_disagree_about_one_thing_all_day_give_one_picture(tmp_path: Path) -> None:
    kept = Kept(tmp_path, looks((0.5, 0.8), (0.1, 0.8)), reasons=("disagreement",))
    taken = []
    for t in (1.0, 61.0, 121.0):
        detected, item = shown(TRACKS, t)
        sure = np.array([0.5], np.float32)
        taken.append(kept.keeper.take(Candidate("look", t, item, first=detected.detections, sure=sure)))
    assert taken == [True, False, False]


def test_a_second_look_goes_where_the_first_one_went_and_nowhere_else(tmp_path: Path) -> None:
    def look(image: U8, least: float) -> Detections:  # noqa: ARG001 - as every look
        np.testing.assert_array_equal(image[:, ::-1], PICTURE[HEIGHT // 4 :, : WIDTH // 2])
        box = np.array([[10, 20, 60, 120]], np.float32)
        return Detections(box, np.array([0.8], np.float32), np.zeros(1, np.int32))

    kept = Kept(tmp_path, SecondLook(look, lambda _: (0.0, 0.25, 0.5, 1.0)), reasons=("disagreement",))
    _, item = shown(next(film([], [0.0]))[0], 1.0)
    sure = np.array([0.5], np.float32)
    assert kept.keeper.take(Candidate("look", 1.0, item, first=Detections.empty(), sure=sure))
    [path] = collected.pictures(tmp_path)
    [box] = collected.read(path).boxes
    left, top, right, bottom = box.xyxy
    assert (left * WIDTH, right * WIDTH) == pytest.approx((WIDTH / 2 - 60, WIDTH / 2 - 10), abs=0.1)
    assert (top * HEIGHT, bottom * HEIGHT) == pytest.approx((HEIGHT / 4 + 20, HEIGHT / 4 + 120), abs=0.1)


def test_what_a_camera_ignores_is_not_contested(tmp_path: Path) -> None:
    everywhere = MaskDefinition(polygon=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))
    # It finds one thing more, and does not find another one.
    second = looks((0.1, 0.8), rules=lambda _: Rules({"all": everywhere}, {}, CLASSES))
    kept = Kept(tmp_path, second, reasons=("disagreement",))
    detected, item = shown(TRACKS, 1.0)
    sure = np.array([0.5], np.float32)
    assert not kept.keeper.take(Candidate("look", 1.0, item, first=detected.detections, sure=sure))


def test_an_hour_has_its_limit_also_over_restarts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept(tmp_path, per_hour=4)
    assert [kept.take(600.0 * i) for i in range(6)] == [True] * 4 + [False] * 2
    monkeypatch.setattr("edge_node.collect.keeper.now_us", lambda: kept.pictures()[-1].captured_us + 10)
    again = Kept(tmp_path, per_hour=4)
    assert [again.take(600.0 * i) for i in (5, 6, 7, 8)] == [False, True, True, True]
    film = Kept(tmp_path / "film", per_hour=2, hourly=False)
    assert all(film.take(10.0 * i) for i in range(5))


def test_what_is_left_of_an_hours_pictures_is_shared_out(tmp_path: Path) -> None:
    kept = Kept(tmp_path, per_hour=4, interval_s=5.0, reasons=("low_score",))
    waits = []
    actors = [Actor(1, stand(0.3, 0.6)), Actor(2, stand(0.6, 0.6), score=0.3)]
    low = replace(next(film(actors, [0.0]))[0], age_s=np.array([9, 9], np.float32))
    last = 0
    for second in range(0, 4500, 5):
        candidate = kept.chooser.choose(*shown(low, float(second)))
        if candidate is not None and kept.keeper.take(candidate):
            waits.append(second - last)
            last = second
    assert len(waits) >= 5
    assert max(waits[1:]) >= 900
    times = [one.captured_us / 1e6 for one in kept.pictures()]
    assert all(sum(0 <= end - t < 3600 for t in times) <= 4 for end in times)


@pytest.mark.parametrize("boxes", [[(0, 0, 0, 10)], [(-50, -50, -10, -10)], [(float("nan"), 0, 5, 5)]])
def test_a_box_without_area_is_no_proposal(boxes: list[tuple[float, ...]]) -> None:
    found = Detections(np.array(boxes, np.float32), np.ones(1, np.float32), np.zeros(1, np.int32))
    assert SOURCE.proposals(found, WIDTH, HEIGHT) == ()


def locked(folder: Path) -> None:
    """Put a file where the folder is to be: root may write into any folder."""
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("in the way")


def labelled(folder: Path) -> None:
    folder.mkdir()
    (folder / collected.ANNOTATIONS).write_text("{")


@pytest.mark.parametrize(
    ("spoil", "reason", "says"),
    [(locked, "failed", "Not a directory"), (labelled, "no_room", "mend or move")],
)
def test_what_cannot_be_kept_is_counted_said_once_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], None], reason: str, says: str
) -> None:
    caplog.set_level(logging.INFO, "darner.collect")
    folder = tmp_path / "street"
    kept = Kept(folder, pictures=1)
    if reason == "no_room":
        kept.take(0.0)
        spoil(folder.parent / "other")
        (folder / collected.ANNOTATIONS).write_text("{")
    else:
        spoil(folder)
    for i in range(1, 4):
        assert not kept.take(10.0 * i)
    now = kept.keeper.metrics()
    assert now.dropped == {reason: 3}
    assert says in (now.trouble or "")
    assert sum(says in record.message for record in caplog.records) == 1
    if reason == "no_room":
        (folder / collected.ANNOTATIONS).unlink()
    else:
        folder.unlink()
    assert kept.take(100.0)
    assert kept.keeper.metrics().trouble is None
    assert "again" in caplog.records[-1].message


def test_metrics_say_what_is_kept_and_why(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    assert kept.keeper.metrics().last_reason is None
    kept.take(1.0)
    now = kept.keeper.metrics()
    there = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert (now.pictures, now.bytes, now.last_reason) == (1, there, "low_score")
    assert now.last_captured_us == kept.pictures()[0].captured_us
    again = Kept(tmp_path)
    again.keeper.open()
    assert again.keeper.metrics().pictures == 1


def test_a_film_chooses_and_keeps_by_itself(tmp_path: Path) -> None:
    kept = Kept(tmp_path, reasons=("new_scene", "lost_track"), hourly=False)
    for detected, item in show([Actor(1, stand(0.5, 0.6, 0, 7))], [i / 5 for i in range(60)]):
        candidate = kept.chooser.choose(detected, item)
        if candidate is not None:
            kept.keeper.take(candidate)
    assert [one.reasons[0] for one in kept.pictures()] == ["new_scene", "lost_track"]
