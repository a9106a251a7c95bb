"""One night: which pictures it takes, when a model takes its place, and what is remembered."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_node.assets.download import sha256
from optimization.training import lineage
from optimization.training.nightly import record
from optimization.training.nightly.night import Watched, night, roll_back
from optimization.training.nightly.record import Night
from shared.errors import BrokerError
from tests.optimization.training.nightly.nights import Training, collect, label, model, watched


def work(one: Watched, training: Training) -> Night:
    return night(one, threading.Event(), train=training)


@pytest.fixture
def yard(tmp_path: Path) -> Watched:
    """A camera with thirty pictures, and the model that its node runs."""
    one = watched(tmp_path)
    collect(one.collected, 30)
    model(one.out, 1.0)
    return one


def test_a_better_model_takes_the_place_of_the_old_one_which_is_kept(yard: Watched) -> None:
    before, training = sha256(yard.out), Training()
    found = work(yard, training)
    assert (found.verdict, found.pictures, found.new, found.source) == ("written", 30, 30, "self")
    assert (found.before, found.after) == (40.0, 43.0)
    assert sha256(lineage.previous(yard.out)) == before
    assert sha256(yard.out) != before
    assert training.asked[0]["--model"] == str(yard.out)
    assert len({name[:10] for name in training.pictures[0]}) == 6, "pictures of an hour can be told"
    written = json.loads(record.place(yard.out).read_text())
    assert (written["schema"], len(written["nights"])) == ("darner/nights/1", 1)
    assert {path.name for path in yard.out.parent.iterdir()} == {
        "yard.onnx", "yard.onnx.previous", "yard.onnx.nights.json",
    }  # fmt: skip


def test_a_model_that_is_no_better_changes_nothing(yard: Watched) -> None:
    before = yard.out.read_bytes()
    found = work(yard, Training(weight=None))
    assert (found.verdict, found.why) == ("no better", "no better: AP 40.0 -> 40.1")
    assert yard.out.read_bytes() == before
    assert not lineage.previous(yard.out).exists()


def test_only_new_pictures_begin_a_night_and_old_ones_are_learnt_again(yard: Watched) -> None:
    training = Training()
    work(yard, training)
    assert work(yard, training).why == "0 pictures are new; 20 are needed (--new)"
    collect(yard.collected, 20, first=30)
    found = work(yard, training)
    assert (found.verdict, found.pictures, found.new) == ("written", 50, 20)
    assert len(training.pictures[-1]) == 50


def test_a_night_that_failed_is_made_up_for(yard: Watched) -> None:
    before = yard.out.read_bytes()
    found = work(yard, Training(why="model 'big.onnx': no such file"))
    assert (found.verdict, found.why) == ("failed", "model 'big.onnx': no such file")
    assert yard.out.read_bytes() == before
    assert work(yard, Training()).verdict == "written"


def test_enough_labels_are_used_instead_of_the_teacher(yard: Watched) -> None:
    pictures = sorted(yard.collected.glob("*.jpg"))
    one, training = replace(yard, least=20), Training()
    label(yard.collected, pictures[:25], objects=19)
    assert work(one, training).source == "self"
    label(yard.collected, pictures[:25], objects=22)
    found = work(one, training)
    assert (found.source, found.pictures, found.verdict) == ("labels", 25, "written")
    assert training.labelled == [22]
    assert "--teacher" not in training.asked[-1]


def test_labels_of_all_cameras_in_one_file_count_too(yard: Watched) -> None:
    gate = collect(yard.collected.with_name("gate"), 30)
    both = [*gate, *sorted(yard.collected.glob("*.jpg"))]
    label(yard.collected.parent, both, objects=55)
    training = Training()
    found = work(replace(yard, least=25), training)
    assert (found.source, found.pictures, training.labelled) == ("labels", 30, [25])


def test_a_model_that_somebody_went_back_from_does_not_come_back(yard: Watched) -> None:
    work(yard, Training(weight=2.0))
    first = sha256(yard.out)
    roll_back(yard.out)
    assert sha256(yard.out) != first
    assert work(yard, Training(weight=2.0)).verdict == "nothing new", "the same pictures do not begin a night"
    collect(yard.collected, 20, first=30)
    found = work(yard, Training(weight=2.0))
    assert (found.verdict, found.why) == (
        "no better",
        "this model was gone back from; it does not come back",
    )
    collect(yard.collected, 20, first=50)
    assert work(yard, Training(weight=3.0)).verdict == "written"


def test_a_swap_by_hand_counts_as_going_back_and_going_back_twice_does_not(yard: Watched) -> None:
    work(yard, Training(weight=2.0))
    lineage.roll_back(yard.out)
    collect(yard.collected, 20, first=30)
    assert work(yard, Training(weight=2.0)).verdict == "no better"
    roll_back(yard.out)
    assert record.read(yard.out)[0].refused == ()


def test_a_model_that_was_changed_meanwhile_is_left_as_it_is(yard: Watched) -> None:
    class Changing(Training):
        def __call__(self, *given: Any, **more: Any) -> Any:
            model(yard.out, 7.0)
            return super().__call__(*given, **more)

    found = work(yard, Changing())
    assert "was changed meanwhile" in found.why
    assert sha256(yard.out) == sha256(model(yard.out.with_name("seven.onnx"), 7.0))


@pytest.mark.parametrize(
    ("answer", "verdict", "stays"),
    [
        (("loaded", "node box runs the new file"), "written", False),
        (("refused", "node box did not take the new file: bad"), "failed", True),
        (BrokerError("no broker answers"), "written", False),
    ],
)
def test_the_node_has_the_last_word(
    yard: Watched, answer: tuple[str, str] | BrokerError, verdict: str, stays: bool
) -> None:
    def ask() -> tuple[str, str]:
        if isinstance(answer, BrokerError):
            raise answer
        return answer

    before = sha256(yard.out)
    found = work(replace(yard, ask=ask), Training())
    assert found.verdict == verdict
    assert (sha256(yard.out) == before) is stays
    assert found.node is not None
    assert str(answer if isinstance(answer, BrokerError) else answer[1]) in found.node
    assert len(record.read(yard.out)[0].refused) == stays


def test_a_node_that_could_not_be_reached_is_asked_again_the_next_night(yard: Watched) -> None:
    answers: list[tuple[str, str] | BrokerError] = []

    def ask() -> tuple[str, str]:
        answer = answers.pop(0)
        if isinstance(answer, BrokerError):
            raise answer
        return answer

    one = replace(yard, ask=ask)
    before = sha256(one.out)
    answers[:] = [BrokerError("no broker answers")]
    assert work(one, Training()).node == "no broker answers; the next night asks again"
    answers[:] = [("loading", "node box is loading the new file")]
    found = work(one, Training())
    assert (found.verdict, found.node) == ("nothing new", "node box is loading the new file")
    answers[:] = [("refused", "node box did not take the new file: bad")]
    found = work(one, Training())
    assert found.node == f"node box did not take the new file: bad; {one.out} is the earlier model again"
    assert sha256(one.out) == before
    assert len(record.read(one.out)[0].refused) == 1
    assert work(one, Training()).node is None, "it has said what it thinks"


def test_a_model_that_somebody_has_exchanged_is_not_asked_about(yard: Watched) -> None:
    def ask() -> tuple[str, str]:
        raise BrokerError("no broker answers")

    work(replace(yard, ask=ask), Training())
    model(yard.out, 9.0)
    assert work(replace(yard, ask=ask), Training()).node is None


def test_what_is_gone_or_damaged_is_the_nights_verdict(yard: Watched) -> None:
    record.place(yard.out).write_text("[")
    found = work(yard, Training(weight=None))
    assert "is no record of nights" in found.why
    assert record.place(yard.out).with_suffix(".damaged").exists()
    (yard.collected / "annotations.json").write_text("{")
    assert "mend the labels" in work(yard, Training()).why
    gone = replace(yard, collected=yard.collected / "gone")
    found = work(gone, Training())
    assert found.verdict == "failed"
    assert found.why.endswith("gone: cannot be read (No such file or directory)")
    (yard.collected / "annotations.json").unlink()
    nothing = replace(yard, model="nowhere.onnx", out=yard.out.with_name("new.onnx"))
    assert "no such file" in work(nothing, Training()).why


def test_a_record_is_bounded() -> None:
    kept = record.Record()
    for number in range(record.NIGHTS + 5):
        kept = kept.add(Night(at="2026-01-01T03:00:00+00:00", verdict="failed", why=str(number)))
    assert (len(kept.nights), kept.nights[-1].why) == (record.NIGHTS, str(record.NIGHTS + 4))
