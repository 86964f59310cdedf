"""Memory of large batches: taken again once nobody holds it, and never before."""

from __future__ import annotations

import errno
import mmap
import subprocess
import sys
from collections import deque

import numpy as np
import pytest
import torch

from clfkit import freed_memory
from clfkit.augmentations._pieces import changed
from clfkit.freed_memory import LARGE_BYTES, LARGEST_BYTES, empty, give_back

CPU = torch.device("cpu")
MANY = LARGE_BYTES // 4  # float32 numbers
huge_pages = pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="the system's allocator is used here")


@pytest.fixture(autouse=True)
def nothing_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What tests before this one let go of is out of reach."""
    monkeypatch.setattr("clfkit.freed_memory._FREE", deque(maxlen=2))


def new(count: int = MANY, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return empty((count,), dtype, CPU)


def place(tensor: torch.Tensor) -> int:
    return tensor.data_ptr()


@huge_pages
def test_it_is_taken_again_when_no_tensor_holds_it() -> None:
    first = new()
    where, part = place(first), first[5:7]
    del first
    assert place(other := new()) != where, "a part of it is held"
    del part
    assert place(again := new()) == where
    assert place(again) != place(other)


@huge_pages
@pytest.mark.parametrize(("count", "fits"), [(MANY, True), (MANY * 3 // 2, True), (2 * MANY + 1, False)])
def test_memory_that_is_much_too_large_is_not_taken(count: int, fits: bool) -> None:
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


AT_EXIT = """
import atexit
held = []
def late():
    from clfkit.freed_memory import empty
    other = empty(held[0].shape, held[0].dtype, held[0].device).fill_(7)
    print(float(held[0].max()))
atexit.register(late)  # runs after what is registered from here on
import torch
from clfkit.freed_memory import LARGE_BYTES, empty
held.append(empty((LARGE_BYTES,), torch.float32, torch.device("cpu")).zero_())
"""


def test_what_is_held_at_the_end_of_a_process_is_not_taken() -> None:
    done = subprocess.run([sys.executable, "-c", AT_EXIT], capture_output=True, text=True, check=True)
    assert done.stdout == "0.0\n"


@huge_pages
def test_what_lies_idle_is_bounded_and_given_back() -> None:
    def idle() -> int:
        return sum(len(memory) for memory in freed_memory._FREE)

    several = [new() for _ in range(5)]
    del several
    assert 0 < idle() <= 2 * LARGEST_BYTES
    give_back()
    assert idle() == 0
    large = empty((LARGEST_BYTES + 1,), torch.uint8, CPU)
    del large
    assert idle() == 0
