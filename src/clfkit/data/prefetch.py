"""Batches of samples outside memory, read by threads while the model works at the ones before."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from clfkit.data.bundle import IndexArray, Inputs
from clfkit.data.threads import threads

Samples = npt.NDArray[np.generic]

AUTO_WORKERS = 2  # one batch is there when it is wanted, another on its way


@dataclass
class Prefetch:
    """Inputs whose next batches `workers` threads read, one each, while `ahead` goes through them.

    What is asked for is compared with what was read. So another batch (a share of it, other samples) is read as if
    nothing had been, and the result never depends on what was read before.
    """

    inputs: Inputs
    workers: int
    _there: tuple[IndexArray, Future[Samples]] | None = field(default=None, init=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the inputs."""
        return self.inputs.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the inputs."""
        return self.inputs.dtype

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, indices: IndexArray) -> Samples:
        """The samples at `indices`; raises what reading them raised."""
        if self._there is not None and np.array_equal(self._there[0], indices):
            (_, samples), self._there = self._there, None
            return samples.result()
        return self.inputs[indices]

    def ahead(self, batches: Iterable[IndexArray]) -> Iterator[IndexArray]:
        """The batches as they are; the following ones are being read meanwhile, until one is not asked for."""
        source = iter(batches)
        with threads(max(1, self.workers)) as pool:
            queue: deque[tuple[IndexArray, Future[Samples]]] = deque()
            try:
                useful = self.workers > 0
                while useful:
                    while len(queue) <= self.workers and (indices := next(source, None)) is not None:
                        queue.append((indices, pool.submit(self.inputs.__getitem__, indices)))
                    if not queue:
                        return
                    self._there = queue.popleft()
                    yield self._there[0]
                    useful = self._there is None
            finally:
                self._there = None
        yield from (indices for indices, _ in queue)
        yield from source
