"""Memory of freed arrays, kept for the next ones: the system would hand it out again page by page, zeroed."""

from __future__ import annotations

import contextlib
import ctypes
import math
import mmap
import sys
import weakref
from collections import deque
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # numbers of malloc.h
LARGE_BYTES = 8 << 20
"""Larger arrays are new memory for glibc, whatever was freed."""

LARGEST_BYTES = 256 << 20
"""Still larger ones are given back: two of them lie idle at most."""

_FREE: deque[mmap.mmap] = deque(maxlen=2)


@cache
def keep_freed_memory() -> None:
    """Let glibc keep the memory of arrays up to 8 MB when they are freed, instead of handing it back to the system.

    Otherwise the pages of every activation, and of every image that is decoded, are fetched anew each time; whether
    they are depends on what was freed before, so that the same run takes one time or another by chance. Limits beyond
    these gain nothing more and fragment: the process may then double its memory. It holds for the whole process; other
    C libraries are left alone.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
        mallopt(M_TRIM_THRESHOLD, 128 << 20)


def empty(shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """As torch.empty, for batches: large ones on a CPU lie in huge pages, which are taken again when no tensor holds
    them any more."""
    import torch

    size = math.prod(shape) * dtype.itemsize
    if device.type == "cpu" and size >= LARGE_BYTES and hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # memory is short: torch may find some, or says so
            memory = _free(size) or _new(size)
            content = np.frombuffer(memory, np.uint8, size)
            if size <= LARGEST_BYTES:  # the tensor holds the array, the array its memory
                weakref.finalize(content, _FREE.append, memory).atexit = False
            return torch.from_numpy(content).view(dtype).view(*shape)
    return torch.empty(*shape, dtype=dtype, device=device)


def give_back() -> None:
    """Give back what lies idle."""
    _FREE.clear()


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
