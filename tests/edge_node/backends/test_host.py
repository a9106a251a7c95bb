"""The inputs a model has beside the picture."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from edge_node.backends.host import PictureInput, extra_inputs
from edge_node.backends.interface import ModelFile, Tensor
from shared.errors import ModelError


def model(others: Sequence[str]) -> ModelFile:
    return ModelFile((Tensor("images", (1, 3, 640, 640)), *(Tensor(name, (1, 2)) for name in others)), ())


def test_inputs_beside_the_picture_make_boxes_come_out_in_input_pixels() -> None:
    found = extra_inputs(model(["orig_target_sizes"]), 640, 384)
    assert {name: value.tolist() for name, value in found.items()} == {"orig_target_sizes": [[640, 384]]}
    paddle = extra_inputs(model(["im_shape", "scale_factor"]), 640, 384)
    assert paddle["im_shape"].tolist() == [[384, 640]]
    assert paddle["scale_factor"].tolist() == [[1, 1]]


def test_an_input_of_unknown_meaning_is_an_error_that_names_it() -> None:
    with pytest.raises(ModelError, match="'prompt'"):
        extra_inputs(model(["prompt"]), 640, 384)


def test_a_network_without_inputs_is_refused_by_name() -> None:
    with pytest.raises(ModelError, match=r"bare\.onnx: needs a picture input .* it has none"):
        PictureInput.of(ModelFile((), ()), "bare.onnx")
