"""The exponential function of our own is as good as any."""

from __future__ import annotations

import numpy as np
import pytest

from edge_node.detect.decode.exponent import exponential


def test_it_is_within_two_units_in_the_last_place() -> None:
    given = np.linspace(-86, 88.7, 200_001).astype(np.float32)
    truth = np.exp(given.astype(np.float64))
    units = np.abs(exponential(given) - truth) / np.spacing(truth.astype(np.float32))
    assert units.max() < 2


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(0.0, 1.0, id="exactly"),
        pytest.param(-0.0, 1.0, id="exactly, from below"),
        pytest.param(89.0, np.inf, id="more than any float"),
        pytest.param(np.inf, np.inf, id="infinite"),
        pytest.param(np.nan, np.nan, id="no number"),
    ],
)
def test_ends_and_numbers_that_are_none(given: float, expected: float) -> None:
    np.testing.assert_array_equal(exponential(np.full((2, 3), given, np.float32)), np.full((2, 3), expected))


@pytest.mark.parametrize("given", [-86.0, -1e30, -np.inf])
def test_what_is_nearly_zero_is_no_more_than_that(given: float) -> None:
    (found,) = exponential(np.array([given], np.float32))
    assert 0 <= found < 1e-37
