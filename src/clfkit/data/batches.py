"""Batches of indices: the order of samples as a pure function of (seed, epoch, position)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from clfkit import rng
from clfkit.data.bundle import IndexArray


@dataclass(frozen=True)
class Batches:
    """The batches of every epoch. Each sample comes once an epoch; the last batch may be smaller.

    No state is kept, so any epoch can be started at any position: what a resumed run needs.
    """

    samples: int
    batch_size: int
    seed: int

    @classmethod
    def of(cls, samples: int, batch_size: int | Literal["full"], seed: int) -> Batches:
        """Batches over `samples` samples; `full` makes one batch of them all."""
        return cls(samples, samples if batch_size == "full" else min(batch_size, samples), seed)

    @property
    def per_epoch(self) -> int:
        """Number of batches in one epoch."""
        return -(-self.samples // self.batch_size)

    def order(self, epoch: int) -> IndexArray:
        """All sample indices in the order of that epoch. One full batch needs no shuffling."""
        if self.batch_size >= self.samples:
            return np.arange(self.samples)
        return rng.generator(self.seed, "order", epoch).permutation(self.samples)

    def epoch(self, epoch: int, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, IndexArray]]:
        """(position, indices) of the batches of one epoch, from position `start` on to before `stop` or the end."""
        order = self.order(epoch)
        for position in range(start, self.per_epoch if stop is None else stop):
            yield position, order[position * self.batch_size : (position + 1) * self.batch_size]
