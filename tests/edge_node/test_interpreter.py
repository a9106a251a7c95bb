"""How the interpreter is set for a node."""

from __future__ import annotations

import gc
import sys

from edge_node import interpreter


def test_a_full_collection_visits_nothing_that_was_there_when_the_node_had_settled() -> None:
    kept: list[list[int]] = [[] for _ in range(5)]
    before = gc.get_freeze_count()
    interpreter.settle()
    try:
        later: list[object] = []
        visited = list(map(id, gc.get_objects()))
        assert gc.get_freeze_count() - before > len(kept)
        assert id(later) in visited
        assert not set(map(id, kept)) & set(visited)
    finally:
        gc.unfreeze()


def test_threads_give_up_the_interpreter_sooner_than_pythons_default() -> None:
    before = sys.getswitchinterval()
    try:
        interpreter.share()
        assert sys.getswitchinterval() < 0.001
    finally:
        sys.setswitchinterval(before)
