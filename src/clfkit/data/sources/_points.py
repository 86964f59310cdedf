"""What the sources of synthetic points share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from clfkit.data.bundle import Dataset, Density

    Curve = Callable[[int], npt.NDArray[np.float64]]  # a number of points → (2, number), evenly spread

AtLeastTwo = Annotated[int, Field(ge=2)]
"""A number of classes, or anything else that one of makes no sense."""


def points(
    inputs: npt.NDArray[np.floating], labels: npt.NDArray[np.integer], classes: int, density: Density
) -> Dataset:
    """Points (N, D) with labels 0 … classes-1 as a dataset whose classes are called "0", "1", …"""
    from clfkit.data.bundle import ClassMap, Dataset

    names = ("x", "y") if inputs.shape[1] == 2 else tuple(f"x{axis + 1}" for axis in range(inputs.shape[1]))
    return Dataset(
        inputs.astype("float32"), labels.astype("int64"), ClassMap(names=tuple(map(str, range(classes)))),
        "vector", names, density=density,
    )  # fmt: skip


def arcs(outer: Curve, inner: Curve, samples: int, noise: float, seed: int) -> Dataset:
    """Points on two curves as classes 0 and 1, half of the samples each, in random order and with Gaussian noise.

    Order and noise are drawn as scikit-learn draws them. The density of a class is the mean of Gaussians around the
    points of its curve, of at most `MOST_CENTRES`.
    """
    import numpy as np

    from clfkit.data.densities import MOST_CENTRES, GaussianMixture

    draw = scikit_draw(seed)
    sizes = (samples // 2, samples - samples // 2)
    inputs = np.concatenate([outer(sizes[0]), inner(sizes[1])], axis=1).T
    labels = np.repeat([0, 1], sizes)
    order = draw.permutation(len(labels))
    centres = [curve(min(size, MOST_CENTRES)).T for curve, size in zip((outer, inner), sizes, strict=True)]
    density = GaussianMixture(centres, noise)
    return points(inputs[order] + draw.normal(scale=noise, size=inputs.shape), labels[order], 2, density)


def scikit_draw(seed: int) -> np.random.RandomState:
    """The generator behind scikit-learn's `random_state=seed`, so that `data.seed: 42` gives the very points of
    `make_blobs(random_state=42)`. It takes 32 bits."""
    import numpy as np

    return np.random.RandomState(seed % 2**32)
