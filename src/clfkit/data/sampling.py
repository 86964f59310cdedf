"""Sampling by class: an epoch in which rare classes come more often than they are there."""

from __future__ import annotations

import numpy as np

from clfkit.data.bundle import IndexArray

EXPONENTS = {"natural": 1.0, "square_root": 0.5, "balanced": 0.0}
"""q of each kind of sampling: a class of n samples is drawn in proportion to n^q (Kang et al. 2020)."""


class ClassSampling:
    """Draws as many samples as there are, class c with probability p_c ∝ n_c^q; classes without samples are left out.

    labels: (N,) class of each sample. Draws are systematic: N points at distance 1 over all samples class by class,
    in which each sample of class c is N p_c / n_c wide. So a class comes N p_c times and its samples equally often,
    both up to rounding, which independent draws would leave to luck.
    """

    def __init__(self, labels: IndexArray, exponent: float) -> None:
        self._labels = labels
        counts = np.bincount(labels)
        mass = np.where(counts > 0, counts.astype(np.float64) ** exponent, 0)
        self._widths = len(labels) * mass / mass.sum() / np.maximum(counts, 1)

    def draw(self, generator: np.random.Generator) -> IndexArray:
        """(N,) indices of samples in random order; some come several times, others not at all."""
        count = len(self._labels)
        shuffled = generator.permutation(count)
        by_class = shuffled[np.argsort(self._labels[shuffled], kind="stable")]
        edges = np.cumsum(self._widths[self._labels[by_class]])
        points = generator.random() + np.arange(count)
        found = np.searchsorted(edges, points, side="right")
        return generator.permutation(by_class[np.minimum(found, count - 1)])  # the last edge may be rounded down
