"""One Gaussian cloud cut into nested shells: scikit-learn's `make_gaussian_quantiles`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from pydantic import PositiveInt

from clfkit.components import datasets
from clfkit.data.bundle import Dataset, IndexArray
from clfkit.data.sources._points import AtLeastTwo, points, scikit_draw
from clfkit.errors import DataError


@datasets.register("gaussian_quantiles", inputs="vector", classes="classes")
def gaussian_quantiles(
    seed: int,
    *,
    samples: AtLeastTwo = 1000,
    classes: AtLeastTwo = 3,
    features: PositiveInt = 2,
) -> Dataset:
    """A standard normal cloud whose classes are shells of equal size around its centre.

    Source: scikit-learn's `make_gaussian_quantiles`. Raises DataError for more classes than points.

    Options:
        samples: number of points.
        classes: number of shells.
        features: number of dimensions.
    """
    from sklearn.datasets import make_gaussian_quantiles

    if samples < classes:
        raise DataError(f"data.samples: {samples} points cannot fill {classes} classes")
    inputs, labels = make_gaussian_quantiles(
        n_samples=samples, n_features=features, n_classes=classes, random_state=scikit_draw(seed)
    )
    squares = np.square(inputs).sum(axis=1)
    ends = [(squares[labels == label].min(), squares[labels == label].max()) for label in range(classes)]
    edges = [0.5 * (last + first) for (_, last), (first, _) in pairwise(ends)]
    return points(inputs, labels, classes, Shells(np.array([0.0, *edges, np.inf]), features))


@dataclass(frozen=True)
class Shells:
    """The density of the shells: a standard normal one between two radii. They do not overlap, so the limit is 100 %.

    edges: (K + 1,) squared radii, halfway between the outermost point of a shell and the innermost of the next one.
    """

    edges: npt.NDArray[np.float64]
    features: int

    def log_density(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """log p(x | shell) at points (N, D), shape (N, K)."""
        squares = np.square(points.astype(np.float64)).sum(axis=1)
        shell = np.searchsorted(self.edges[1:-1], squares)
        of_cloud = -0.5 * (squares + self.features * np.log(2 * np.pi))
        density = np.full((len(points), len(self.edges) - 1), -np.inf)
        density[np.arange(len(points)), shell] = of_cloud - np.log(np.diff(self._masses()))[shell]
        return density

    def draw(self, labels: IndexArray, random: np.random.Generator) -> npt.NDArray[np.float64]:
        """Fresh points (N, D) of these shells (N,)."""
        from scipy.special import gammaincinv

        masses = self._masses()
        share = random.uniform(masses[labels], masses[labels + 1])
        directions = random.normal(size=(len(labels), self.features))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        radii: npt.NDArray[np.float64] = np.sqrt(2 * gammaincinv(self.features / 2, share))
        return directions * radii[:, None]

    def _masses(self) -> npt.NDArray[np.float64]:
        """(K + 1,) share of the cloud within each edge: squared radii have a chi-square distribution."""
        from scipy.special import gammainc

        masses: npt.NDArray[np.float64] = gammainc(self.features / 2, self.edges / 2)
        return masses
