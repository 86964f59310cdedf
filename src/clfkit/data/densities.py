"""Densities that several synthetic sources draw from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clfkit.data.bundle import IndexArray

LEAST_DEVIATION = 1e-6
"""Stands for no noise at all: a curve has no density, and points on it are rounded to float32."""

MOST_CENTRES = 256
"""Points of one curve that stand for all: a unit circle is then smooth wherever the noise is above 0.02."""

NUMBERS_AT_ONCE = 2_000_000  # so that intermediate results take megabytes


class GaussianMixture:
    """Each class is a mean of round Gaussians of one deviation: a single one, or many along a curve."""

    def __init__(self, centres: Sequence[npt.NDArray[np.float64]], deviation: float) -> None:
        """centres: for each class its centres (M, D), all equally likely."""
        self._sizes = np.array([len(each) for each in centres])
        self._starts = np.concatenate([[0], np.cumsum(self._sizes)[:-1]])
        self._centres = np.concatenate(centres)
        self._deviation = max(deviation, LEAST_DEVIATION)

    def log_density(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """log p(x | class) at points (N, D), shape (N, K)."""
        features = self._centres.shape[1]
        centres = self._centres / self._deviation
        halves = 0.5 * np.square(centres).sum(axis=1)
        constant = np.log(self._sizes) + features * np.log(self._deviation * np.sqrt(2 * np.pi))
        result = np.empty((len(points), len(self._sizes)))
        rows = max(1, NUMBERS_AT_ONCE // len(centres))
        for start in range(0, len(points), rows):
            scaled = points[start : start + rows].astype(np.float64) / self._deviation
            exponents = scaled @ centres.T
            exponents -= halves
            exponents -= 0.5 * np.square(scaled).sum(axis=1, keepdims=True)
            result[start : start + rows] = self._by_class(exponents) - constant
        return result

    def draw(self, labels: IndexArray, random: np.random.Generator) -> npt.NDArray[np.float64]:
        """Fresh samples (N, D) of these classes (N,)."""
        chosen = self._starts[labels] + random.integers(self._sizes[labels])
        samples: npt.NDArray[np.float64] = random.normal(self._centres[chosen], self._deviation)
        return samples

    def _by_class(self, exponents: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The log of the sum over the centres of each class: (N, centres) → (N, K). It overwrites what it is given."""
        if len(self._sizes) == exponents.shape[1]:
            return exponents
        largest = np.maximum.reduceat(exponents, self._starts, axis=1)
        exponents -= np.repeat(largest, self._sizes, axis=1)
        sums: npt.NDArray[np.float64] = np.add.reduceat(np.exp(exponents, out=exponents), self._starts, axis=1)
        return largest + np.log(sums)


def log_sum(logarithms: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """log Σ exp over the last axis; -inf where all terms are."""
    largest = logarithms.max(axis=-1, keepdims=True)
    base = np.where(np.isneginf(largest), 0.0, largest)
    with np.errstate(divide="ignore"):
        result: npt.NDArray[np.float64] = np.log(np.exp(logarithms - base).sum(axis=-1)) + base[..., 0]
    return result
