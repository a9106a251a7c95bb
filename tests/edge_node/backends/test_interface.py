"""What the detector relies on in every engine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edge_node.backends.interface import Array, Inference, ModelFile, Pending, joined
from edge_node.backends.preprocess import InputFormat, Letterbox
from edge_node.frames import Detections


def test_a_result_that_is_there_is_done_and_stays_so_when_it_is_changed() -> None:
    pending = Pending.of([1, 2]).map(len)
    assert pending.done
    assert pending.collect() == 2


def test_parts_of_a_batch_that_were_decoded_stay_so_when_they_are_joined() -> None:
    fit, nothing = Letterbox.fit(64, 64, InputFormat(64, 64)), Detections.empty()
    output: list[Array] = [np.zeros((84, 9), np.float32)]
    decoded = Inference([[], output], [fit] * 2, 1.0, 2.0, [nothing, None])
    whole = Inference([output], [fit], 1.0, 2.0)
    found = joined([decoded, whole, decoded])
    assert found.found == [nothing, None, None, nothing, None]
    assert [len(outputs) for outputs in found.outputs] == [0, 1, 1, 0, 1]
    assert (len(found.fits), found.preprocess_ms, found.inference_ms) == (5, 3.0, 6.0)
    assert joined([whole, whole]).found is None


def test_a_pending_result_is_collected_and_changed_only_when_it_is_asked_for() -> None:
    steps: list[str] = []

    def step(name: str) -> Callable[[], None]:
        return lambda: steps.append(name)

    pending = Pending(step("collected")).map(lambda _: steps.append("changed"))
    assert not pending.done
    assert steps == []
    pending.collect()
    assert steps == ["collected", "changed"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param('{"1": "b", "0": "a"}', ("a", "b"), id="JSON by id"),
        pytest.param("{0: 'a', 10: 'c', 2: 'b'}", ("a", "b", "c"), id="Python by id, as numbers"),
        pytest.param('["a", "b"]', ("a", "b"), id="a list"),
        pytest.param("person", (), id="no names"),
        pytest.param('{"x": "a"}', (), id="keys that are no ids"),
    ],
)
def test_class_names_are_read_as_exporters_write_them(names: str, expected: tuple[str, ...]) -> None:
    assert ModelFile((), (), {"names": names}).class_names == expected
