"""Marks, lines and room of charts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clfkit.axes import decades, groups, means, room, round_numbers, segments

numbers = st.floats(-1e6, 1e6, allow_nan=False)


@given(numbers, st.floats(1e-3, 1e6), st.integers(2, 10))
def test_marks_are_few_round_numbers_within(low: float, size: float, count: int) -> None:
    found = round_numbers(low, low + size, count)
    assert len(found) <= count + 2
    assert all(low - 1e-6 * size <= at <= low + size * (1 + 1e-6) for at in found)
    steps = np.diff(found)
    if len(steps):
        np.testing.assert_allclose(steps, steps[0], rtol=1e-3)
        digits = steps[0] / 10 ** math.floor(math.log10(steps[0]) + 1e-9)
        assert min(abs(digits - each) for each in (1, 2, 5, 10)) < 1e-2


def test_marks_of_shares() -> None:
    assert round_numbers(0, 1, 5) == [0, 0.2, 0.4, 0.6, 0.8, 1]


@pytest.mark.parametrize(("low", "high"), [(-2.0, 2.0), (-0.3, 0.2), (-9.0, 9.0)])
def test_decades_lie_within(low: float, high: float) -> None:
    found = decades(low, high)
    assert 2 <= len(found) <= 20
    assert found == sorted(found)
    assert all(low <= math.log10(at) <= high for at in found)


@given(numbers, st.floats(0, 1e6))
def test_there_is_room_around_values_and_even_around_one(low: float, size: float) -> None:
    below, above = room(low, low + size)
    assert below < low <= low + size < above


def test_lines_end_where_a_value_is_missing_and_one_alone_is_seen() -> None:
    nan = math.nan
    found = segments(np.arange(6.0), np.array([1, 2, nan, 3, nan, nan]))
    assert found == ("0.0,1.0 1.0,2.0", "3.0,3.0 3.5,3.0")
    assert segments(np.arange(2.0), np.array([nan, nan])) == ()


@given(st.integers(1, 5000), st.integers(1, 600))
def test_groups_are_few_and_of_one_size_but_for_the_last(count: int, most: int) -> None:
    starts = groups(count, most)
    sizes = np.diff([*starts, count])
    assert len(starts) <= most
    assert set(sizes[:-1]) <= {sizes[0]} and 1 <= sizes[-1] <= sizes[0]
    assert sizes[0] == 1 or count > most


def test_means_are_of_what_is_known() -> None:
    nan = math.nan
    found = means(np.array([[1.0, 3, nan, 8, nan, nan, 5], [nan, 2, 2, 2, 2, 2, nan]]), np.array([0, 2, 4, 6]))
    np.testing.assert_array_equal(found, [[2, 8, nan, 5], [2, 2, 2, nan]])
