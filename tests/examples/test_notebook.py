"""The notebook is kept without outputs, and what it computes is right: `make test-engines` runs it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import REPO

NOTEBOOK = REPO / "examples" / "train-and-adapt.ipynb"
HOW = "is not installed; `make test-engines` installs it and runs this"
SAID = """
import json
print(json.dumps({
    "names": trained.dataset.names,
    "losses": [row["loss"] for row in trained.metrics],
    "trained": {"ap": trained.after.ap, "ap50": trained.after.ap50, "difference": trained.difference},
    "accuracy": accuracy,
    "by_day": by_day,
    "at_night": at_night,
    "verdict": [adapted.verdict.before, adapted.verdict.after],
    "lineage": [adapted.parent, adapted.data],
}))
"""


def test_the_notebook_is_kept_without_outputs() -> None:
    document = json.loads(NOTEBOOK.read_text())
    code = [cell for cell in document["cells"] if cell["cell_type"] == "code"]
    assert code
    assert not [cell["id"] for cell in code if cell["outputs"] or cell["execution_count"]]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the variables of the notebook hold once every cell has run."""
    for package in ("torch", "torchvision", "libreyolo", "nbclient", "ipykernel"):
        pytest.importorskip(package, reason=f"{package} {HOW}")
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(SAID))
    folder = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        patch.setenv("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait leave the processor to others
        where = {"metadata": {"path": str(NOTEBOOK.parent)}}
        NotebookClient(notebook, timeout=1200, kernel_name="python3", resources=where).execute()
    return dict(json.loads(notebook.cells[-1]["outputs"][0]["text"]))


# A quarter of an hour on a machine that does other things; five minutes on one that does not.
pytestmark = pytest.mark.timeout(1800)


def test_training_learns_all_three_classes(said: dict[str, Any]) -> None:
    assert said["names"] == ["ball", "box", "cone"]
    assert said["losses"][-1] < 0.7 * said["losses"][0]
    assert said["trained"]["ap50"] > 0.8
    assert said["trained"]["difference"] < 1e-3


def test_8_bits_find_the_same(said: dict[str, Any]) -> None:
    as_float, int8 = (said["accuracy"][letter] for letter in "ab")
    assert as_float["ap"] == pytest.approx(said["trained"]["ap"], abs=0.02)
    assert int8["ap"] > as_float["ap"] - 0.05


def test_a_node_counts_the_things_of_the_film(said: dict[str, Any]) -> None:
    assert sum(said["by_day"].values()) == pytest.approx(9, abs=1)
    assert said["by_day"] == pytest.approx({"ball": 3, "box": 3, "cone": 3}, abs=1)


def test_the_model_is_better_at_night_once_it_is_adapted(said: dict[str, Any]) -> None:
    before, after = said["verdict"]
    assert after > before
    assert sum(said["at_night"]["after"].values()) > sum(said["at_night"]["before"].values())
    assert len(set(said["lineage"])) == 2
