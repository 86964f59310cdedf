"""Memory for the results of large batches, in huge pages, taken again once no tensor holds it."""

from __future__ import annotations

import contextlib
import math
import mmap
import weakref
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

LARGE_BYTES = 8 << 20
"""So many are memory of this kind. Of the allocator, more than 32 MB would be new pages for every batch: fetching those
takes longer than filling them."""

_FREE: deque[mmap.mmap] = deque(maxlen=2)


def empty_like(images: Tensor) -> Tensor:
    """Memory for float32 of that shape, on the same device."""
    import torch

    size = 4 * math.prod(images.shape)
    if images.device.type == "cpu" and size >= LARGE_BYTES and hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # memory is short: torch may find some, or says so
            memory = _free(size) or _new(size)
            numbers = np.frombuffer(memory, np.float32, size // 4)
            weakref.finalize(numbers, _FREE.append, memory)  # the tensor holds the array, the array its memory
            return torch.from_numpy(numbers).view(images.shape)
    return torch.empty(images.shape, dtype=torch.float32, device=images.device)


def _free(size: int) -> mmap.mmap | None:
    """Memory that is large enough, and not so large that most of it would lie idle; what does not fit makes room."""
    with contextlib.suppress(IndexError):  # none is left
        while True:
            memory = _FREE.popleft()
            if size <= len(memory) <= 2 * size:
                return memory
    return None


def _new(size: int) -> mmap.mmap:
    memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):  # a system that has no huge pages
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memory
