"""Memory of large batches: taken again once nobody holds it, and never before."""

from __future__ import annotations

import errno
from collections import deque

import numpy as np
import pytest
import torch

from clfkit.augmentations._pieces import changed
from clfkit.freed_memory import LARGE_BYTES, empty, keep_freed_memory

CPU = torch.device("cpu")
MANY = LARGE_BYTES // 4  # float32 numbers


@pytest.fixture(autouse=True)
def nothing_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What tests before this one let go of is out of reach."""
    monkeypatch.setattr("clfkit.freed_memory._FREE", deque(maxlen=2))


def new(count: int = MANY, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return empty((count,), dtype, CPU)


def place(tensor: torch.Tensor) -> int:
    return tensor.data_ptr()


def test_it_is_taken_again_when_no_tensor_holds_it() -> None:
    first = new()
    where, part = place(first), first[5:7]
    del first
    assert place(other := new()) != where, "a part of it is held"
    del part
    assert place(again := new()) == where
    assert place(again) != place(other)


@pytest.mark.parametrize(("count", "fits"), [(MANY, True), (MANY * 3 // 2, True), (2 * MANY + 1, False)])
def test_memory_that_is_too_small_or_much_too_large_is_not_taken(count: int, fits: bool) -> None:
    large = new(2 * MANY)
    where = place(large)
    del large
    assert (place(new(count)) == where) == fits


def test_smaller_memory_is_not_taken_for_a_larger_array() -> None:
    first = new()
    del first
    larger = new(2 * MANY).fill_(7)
    assert larger.sum(dtype=torch.float64) == 7 * 2 * MANY


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.uint8])
@pytest.mark.parametrize("shape", [(4, 3, 1024, 1024), (2, 3), (0, 3)])
def test_shape_and_type(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    found = empty(shape, dtype, CPU)
    assert found.shape == shape and found.dtype == dtype and found.is_contiguous()
    assert found.fill_(3).eq(3).all()


@pytest.mark.parametrize("refuses", [False, True])
def test_large_batches_are_the_same_where_the_system_refuses(refuses: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    if refuses:
        monkeypatch.setattr("clfkit.freed_memory.mmap.mmap", refuse)
    images = torch.rand(8, 1, 512, 512)
    assert images.nbytes >= LARGE_BYTES
    ours = changed(images, np.ones(8, np.bool_), lambda some, shift: some + shift[:, None, None, None], np.arange(8.0))
    torch.testing.assert_close(ours, images + torch.arange(8)[:, None, None, None], rtol=0, atol=0)


def test_asking_twice_is_asking_once() -> None:
    keep_freed_memory()
    keep_freed_memory()
    assert keep_freed_memory.cache_info().currsize == 1
