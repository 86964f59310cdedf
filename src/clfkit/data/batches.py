"""Batches of indices: the order of samples as a pure function of (seed, epoch, position)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from clfkit import rng
from clfkit.data.bundle import IndexArray
from clfkit.data.sampling import EXPONENTS, ClassSampling
from clfkit.errors import UsageError


@dataclass(frozen=True)
class Batches:
    """The batches of every epoch. Each sample comes once an epoch, or as `drawn` says; the last batch may be smaller.

    No state is kept, so any epoch can be started at any position: what a resumed run needs.
    """

    samples: int
    batch_size: int
    seed: int
    drawn: ClassSampling | None = None

    @classmethod
    def of(
        cls,
        samples: int,
        batch_size: int | Literal["full", "auto"],
        seed: int,
        sampling: str = "natural",
        labels: IndexArray | None = None,
    ) -> Batches:
        """Batches over `samples` samples; `full` makes one batch of them all. Raises UsageError for `auto`.

        sampling: how often samples come, a name in `EXPONENTS`; other than naturally needs their labels (N,).
        """
        if batch_size == "auto":  # see clfkit.batch_size; what a checkpoint holds is a number
            raise UsageError("train.batch_size: `auto` is measured where training begins; here it must be a number")
        drawn = None if sampling == "natural" or labels is None else ClassSampling(labels, EXPONENTS[sampling])
        return cls(samples, samples if batch_size == "full" else min(batch_size, samples), seed, drawn)

    @property
    def per_epoch(self) -> int:
        """Number of batches in one epoch."""
        return -(-self.samples // self.batch_size)

    def order(self, epoch: int) -> IndexArray:
        """The sample indices of that epoch in their order. One full batch of all samples needs no shuffling."""
        if self.drawn is not None:
            return self.drawn.draw(rng.generator(self.seed, "draws", epoch))
        if self.batch_size >= self.samples:
            return np.arange(self.samples)
        return rng.generator(self.seed, "order", epoch).permutation(self.samples)

    def epoch(self, epoch: int, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, IndexArray]]:
        """(position, indices) of the batches of one epoch, from position `start` on to before `stop` or the end."""
        order = self.order(epoch)
        for position in range(start, self.per_epoch if stop is None else stop):
            yield position, order[position * self.batch_size : (position + 1) * self.batch_size]

    def look(self, epoch: int, position: int) -> int:
        """The key that the samples of that batch are augmented and mixed with.

        It is one of the epoch, in which each sample comes once; where samples are drawn, one of the batch, so that a
        sample that comes again looks otherwise.
        """
        key = _epoch_key(self.seed, epoch)
        return key if self.drawn is None else rng.key(key, "batch", position)


@lru_cache(maxsize=1)  # asked for in every step, and a tenth of a tiny one
def _epoch_key(seed: int, epoch: int) -> int:
    return rng.key(seed, "epoch", epoch)


def all_in_order(indices: IndexArray, samples: int) -> bool:
    """Whether these are the indices of all samples in their own order: a full batch, unless samples are drawn."""
    return len(indices) == samples and np.array_equal(indices, np.arange(samples))
