"""Memory of the NumPy engine: the same arrays again, of whatever shape is asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clfkit.engines.scratch.memory import Memory

names = st.sampled_from("abc")
shapes = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)


@settings(deadline=None)
@given(st.lists(st.tuples(names, shapes), min_size=1, max_size=100), st.sampled_from(["float32", "float64"]))
def test_names_never_share_memory(requests: list[tuple[str, tuple[int, ...]]], dtype: str) -> None:
    memory = Memory(dtype)
    latest = {}
    for number, (name, shape) in enumerate(requests):
        array = memory(name, shape)
        assert array.shape == shape and array.dtype == dtype and array.flags.c_contiguous
        array.fill(number)
        latest[name] = number
        current = {key: value for key, value in latest.items() if key != name}
        assert memory(name, shape) is array
        for other, value in current.items():
            before = next(s for n, s in reversed(requests[: number + 1]) if n == other)
            assert (memory(other, before) == value).all()


@settings(deadline=None)
@given(st.lists(shapes, min_size=1, max_size=100))
def test_filled_again_whenever_the_shape_changes(requests: list[tuple[int, ...]]) -> None:
    """Whoever asks for zeros and keeps them finds zeros, though others have used that memory in between."""
    memory, last = Memory("float64"), None
    for number, shape in enumerate(requests, start=1):
        array = memory("zeros", shape, fill=0)
        if shape != last:
            assert not array.any()
        array.fill(number)
        again = memory("zeros", shape, fill=0)
        assert again is array and (again == number).all()
        last = shape


@settings(deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=30))
def test_smaller_batches_take_the_front(sizes: list[int]) -> None:
    """Shrinking allocates nothing: the array lies where the largest one so far does."""
    memory, largest = Memory("float64"), 0
    for size in sizes:
        array = memory("out", (2, size))
        if size > largest:
            largest, whole = size, array
        assert np.shares_memory(whole, array)
        assert array.ctypes.data == whole.ctypes.data


def test_many_shapes_are_not_all_remembered() -> None:
    memory = Memory("float32")
    for size in [*range(1, 500), *range(500, 0, -1)]:
        assert memory("out", (size,)).shape == (size,)
    assert len(memory._shaped) < 100


def test_growth_leaves_earlier_arrays_to_their_holders() -> None:
    memory = Memory("float64")
    small = memory("out", (3,))
    small.fill(7)
    memory("out", (9,)).fill(1)
    assert (small == 7).all()
    again = memory("out", (3,))
    again.fill(2)
    assert (small == 7).all() and (memory("out", (3,)) == 2).all()


@pytest.mark.parametrize("dtype", [np.bool_, np.int64])
def test_other_types_on_request(dtype: type) -> None:
    assert Memory("float32")("passed", (2, 3), dtype).dtype == dtype
