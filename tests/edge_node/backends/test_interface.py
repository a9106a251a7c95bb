"""What the detector relies on in every engine."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edge_node.backends.interface import ModelFile, Pending


def test_a_result_that_is_there_is_done_and_stays_so_when_it_is_changed() -> None:
    pending = Pending.of([1, 2]).map(len)
    assert pending.done
    assert pending.collect() == 2


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
