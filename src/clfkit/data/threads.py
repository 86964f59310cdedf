"""Threads that read and decode images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from clfkit.freed_memory import keep_freed_memory

THREADS = min(8, os.cpu_count() or 1)
"""How many decode at a time; Pillow lets go of the interpreter lock while it decodes and resizes."""


@contextmanager
def threads(count: int = THREADS) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads. When it is left early, by a signal too, what no thread has begun is dropped.

    From then on the process keeps the memory of arrays that it frees.
    """
    keep_freed_memory()
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
