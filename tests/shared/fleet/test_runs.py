"""The file of a run: it says what was done even if the run was killed, and so what can be put back."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest

from shared.errors import ConfigError, OutputError
from shared.fleet import runs
from shared.fleet.inventory import Inventory, Node
from shared.fleet.runs import Head, Journal, Record, State
from shared.fleet.steps import Step
from shared.fleet.undo import Undo
from tests.shared.fleet.simulated import Simulated, known

STEP = Step("settings", "till", {"confidence": 0.25}, {"confidence": 0.4})


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARNER_STATE", str(tmp_path))


def head(run: str, folder: Path, undoes: str | None = None) -> Head:
    return Head(
        run=run,
        command="apply" if undoes is None else "rollback",
        folder=str(folder),
        broker="mqtt://b",
        prefix="p",
        nodes=("*",),
        started="now",
        undoes=undoes,
    )


def test_a_run_that_was_killed_says_what_it_may_have_done(tmp_path: Path) -> None:
    with Journal(head("r1", tmp_path)) as journal:
        states: dict[str, State] = {
            "done": "done",
            "no": "failed",
            "theirs": "conflict",
            "maybe": "unknown",
        }
        for node, state in states.items():
            journal.begin(node, STEP)
            journal.end(node, STEP, state, "")
        journal.begin("killed", STEP)
    with journal.path.open("ab") as file:
        file.write(b'{"node":"torn","kin')  # as a full disk or a power cut leaves it
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    assert runs.records("r1") == [
        Record("done", STEP, "done"),
        Record("maybe", STEP, "unknown"),
        Record("killed", STEP, None),
    ]


def test_a_file_that_no_run_has_written_is_refused(tmp_path: Path) -> None:
    with Journal(head("r1", tmp_path)) as journal:
        journal.begin("n", STEP)
    with journal.path.open("ab") as file:
        file.write(b'{"node": 7}\n')
    with pytest.raises(ConfigError, match="no run has written"):
        runs.records("r1")


def test_a_folder_means_its_last_run_that_was_not_put_back(tmp_path: Path) -> None:
    for one in (head("r1", tmp_path), head("r2", tmp_path), head("r3", tmp_path, undoes="r2")):
        with Journal(one) as journal:
            journal.close(complete=True)
    (runs.runs_folder() / "x.jsonl").write_text("somebody else's")
    assert [one.run for one in runs.heads()] == ["r1", "r2", "r3"]
    assert runs.find(str(tmp_path)).run == "r1"
    assert runs.find("r2").run == "r2"
    for run, complete in (("r4", False), ("r5", True)):
        assert runs.find(str(tmp_path)).run == "r1", "it was not put back completely"
        with Journal(head(run, tmp_path, undoes="r1")) as journal:
            journal.close(complete=complete)
    with pytest.raises(ConfigError, match="every run of that folder has been put back"):
        runs.find(str(tmp_path))
    with pytest.raises(ConfigError, match="neither a run nor a folder"):
        runs.find("r9")


def test_names_of_runs_sort_by_time() -> None:
    names = []
    for _ in range(3):
        names.append(runs.new_name())
        time.sleep(0.002)
    assert names == sorted(names)


def test_nothing_is_sent_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "fleet").write_text("in the way")
    with pytest.raises(OutputError, match="nothing was sent"):
        Journal(head("r1", tmp_path))


@pytest.mark.parametrize(
    ("now", "state", "steps", "says"),
    [
        (0.4, "done", 1, None),
        (0.4, None, 1, None),  # killed between the request and its answer, and it was done
        (0.25, None, 0, None),  # the same, and it was not
        (0.3, "done", 0, "somebody has changed it since"),
    ],
)
def test_what_is_put_back_is_what_nobody_has_changed_since(
    now: float, state: State | None, steps: int, says: str | None
) -> None:
    simulated = Simulated(lambda *_: None, "p", "shop-1")
    simulated.live["confidence"] = now
    plan = Undo([Record("shop-1", STEP, state)]).plan(told(simulated))
    assert len(plan.steps) == steps
    assert all((step.before, step.wanted) == (STEP.wanted, STEP.before) for step in plan.steps)
    assert [one for one in plan.warnings if says and says in one] == list(plan.warnings)
    assert bool(plan.warnings) == bool(says)


def told(simulated: Simulated) -> Node:
    inventory = Inventory("p", ("*",))
    for received in known(simulated):
        inventory.take(received)
    return inventory.get(simulated.name)


def test_a_run_without_a_whole_first_line_is_named_as_one_that_cannot_be_read() -> None:
    runs.runs_folder().mkdir(parents=True, exist_ok=True)
    (runs.runs_folder() / "torn.jsonl").write_text('{"run":"torn"')
    with pytest.raises(ConfigError, match=r"torn\.jsonl: cannot be read as a run"):
        runs.find("torn")
