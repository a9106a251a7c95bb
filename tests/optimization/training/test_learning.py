"""Who answers for which object, how wrong that is, and what a step makes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_node.assets.models import DEFAULT, find_model
from edge_node.backends.preprocess import InputFormat, Preprocessor
from edge_node.pictures import U8
from optimization.training.augment import Boxes, augment
from shared.errors import ConfigError, ModelError

torch = pytest.importorskip("torch", reason="the extra train is not installed")

from optimization.graph import graphs  # noqa: E402 - after the skip
from optimization.training import lineage  # noqa: E402
from optimization.training.adapt import classes_to_learn  # noqa: E402
from optimization.training.assign import assign  # noqa: E402
from optimization.training.fit import Example, Plan, fit  # noqa: E402
from optimization.training.losses import Objects, giou, loss  # noqa: E402
from optimization.training.network.answers import Answers, read, supported  # noqa: E402
from optimization.training.network.interpreter import Network  # noqa: E402

torch.set_num_threads(1)  # more fight for the cores with the tests beside
SMALL = InputFormat(128, 96)
POINTS = torch.tensor([[4.0, 4.0], [12.0, 4.0], [20.0, 4.0], [60.0, 60.0]])


def picture() -> U8:
    return np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)


def boxes(*rows: tuple[float, float, float, float], sure: int = 1) -> Boxes:
    table = np.array(rows, np.float32).reshape(-1, 4)
    return Boxes(table, np.zeros(len(table), np.int32), np.full(len(table), sure, np.int32))


def test_the_place_whose_box_and_score_fit_best_is_to_score_highest() -> None:
    said = torch.tensor([[0.0, 0, 16, 8], [0, 0, 15, 8], [90, 90, 99, 99], [0, 0, 16, 8]])
    found = assign(said, torch.full((4, 1), 0.5), POINTS, torch.tensor([[0.0, 0, 16, 8]]), torch.tensor([0]))
    assert found.place.tolist() == [0, 1]  # the third box is elsewhere, and the fourth cell
    assert found.quality[0] == pytest.approx(1.0)
    assert found.quality[1] < found.quality[0]


def test_an_object_between_the_cells_gets_the_nearest_one() -> None:
    tiny = torch.tensor([[7.0, 3, 9, 5]])
    found = assign(tiny.repeat(4, 1), torch.full((4, 1), 0.5), POINTS, tiny, torch.tensor([0]))
    assert found.place.tolist() in ([0], [1])


def test_giou_is_the_papers() -> None:
    a = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10]])
    b = torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10]])
    assert giou(a, b).tolist() == pytest.approx([1.0, -1 / 3], abs=1e-6)


def test_nothing_is_learnt_about_ignored_places_and_little_about_other_classes() -> None:
    scores = torch.full((1, 4, 2), 0.5, requires_grad=True)
    said = Answers(torch.zeros(1, 4, 4), scores, POINTS)
    none = torch.zeros(0, dtype=torch.long)
    ignored = Objects(torch.zeros(0, 4), none, torch.tensor([[0.0, 0, 30, 10]]), torch.tensor([0]))
    before = Answers(said.xyxy, scores.detach().clone(), POINTS)
    loss(said, [ignored], torch.tensor([0]), before).backward()
    assert scores.grad[0, :, 0].tolist()[:3] == [0, 0, 0]
    assert scores.grad[0, 3, 0] > 0
    assert scores.grad[0, :, 1].abs().max() < 1e-5


def test_a_picture_is_put_into_the_network_as_the_node_does() -> None:
    image = np.kron(picture()[:60, :80], np.ones((4, 4, 1), np.uint8))
    shown, _ = augment(image, boxes(), SMALL, None)
    assert np.abs(shown - Preprocessor(SMALL)(image)[0][0]).mean() < 0.01


def test_boxes_go_along_when_a_picture_is_moved() -> None:
    image = np.zeros((96, 128, 3), np.uint8)
    image[30:60, 40:80] = 255
    for seed in range(8):
        shown, moved = augment(image, boxes((40, 30, 80, 60)), SMALL, np.random.default_rng(seed))
        bright = np.argwhere(shown[0] > 0.7)
        edges = [*bright.min(axis=0)[::-1], *(bright.max(axis=0)[::-1] + 1)]
        assert np.abs(moved.xyxy[0] - edges).max() <= 1.5


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(graphs.load(find_model(DEFAULT)))


def test_a_network_learns_an_object_that_it_did_not_see(network: Network) -> None:
    image, there = picture(), (30.0, 20.0, 90.0, 80.0)
    image[20:80, 30:90] //= 4
    tensor = torch.from_numpy(augment(image, boxes(), SMALL, None)[0])[None]

    def person(weights: dict[str, object] | None = None) -> float:
        with torch.no_grad():
            return float(read("yolov8", network(tensor, weights)[0], 128, 96).scores[..., 0].max())

    before = person()
    plan = Plan(epochs=6, batch=2, average=False)
    weights, losses = fit(network, "yolov8", SMALL, [Example(lambda: image, boxes(there))] * 2, [0], plan)
    assert len(losses) == 6
    assert person(weights) > before + 0.1


def test_a_loss_that_is_no_number_ends_in_a_sentence(network: Network) -> None:
    examples = [Example(picture, boxes((10, 10, 50, 50)))] * 2
    with pytest.raises(ModelError, match="the loss became nan in epoch 1; nothing was written"):
        fit(network, "yolov8", SMALL, examples, [0], Plan(epochs=1, batch=1, rate=1e20))


def test_a_graph_whose_weights_are_constants_is_sent_to_simplify() -> None:
    weight = numpy_helper.from_array(np.ones((8, 3, 3, 3), np.float32))
    nodes = [
        helper.make_node("Constant", [], ["weight"], value=weight),
        helper.make_node("Conv", ["images", "weight"], ["rows"]),
    ]
    sides = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("images", "rows")]
    model = helper.make_model(helper.make_graph(nodes, "constant", sides[:1], sides[1:]))
    with pytest.raises(ModelError, match=r"no weights that can be learnt.*simplify"):
        fit(Network(model), "yolov8", SMALL, [Example(picture, boxes())], [0], Plan())


def test_a_layout_that_chooses_boxes_is_refused() -> None:
    with pytest.raises(ModelError, match="layout rtmdet, which cannot be trained"):
        supported("rtmdet")


def test_rolling_back_without_an_earlier_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="to go back to"):
        lineage.roll_back(tmp_path / "other.onnx")


def test_a_plan_has_enough_steps_for_few_pictures_and_not_too_many_for_many() -> None:
    assert Plan().steps(150) == (11, 19)
    assert Plan().steps(16) == (60, 2)
    assert Plan().steps(2000) == (4, 250)
    assert Plan(epochs=3).steps(16) == (3, 2)


def test_a_class_that_teachers_seldom_see_is_learnt_only_by_name() -> None:
    often, seldom = boxes((10, 10, 50, 50)), boxes((10, 10, 50, 50), (0, 0, 9, 9))
    seldom = Boxes(seldom.xyxy, np.array([0, 1], np.int32), seldom.sure)
    truth = [seldom if place in (3, 22) else often for place in range(30)]
    parts = (list(range(20)), list(range(20, 30)))
    said: list[str] = []

    def taught(share: float, *wanted: str) -> list[int]:
        return classes_to_learn(("person", "bird"), truth, [0, 1], parts, wanted, share, said.append)

    assert taught(0.15) == [0]
    assert said == ["bird: is in few pictures, and is not learnt; --classes would learn it"]
    assert taught(0.15, "bird") == [1]
    assert taught(0.0) == [0, 1]
