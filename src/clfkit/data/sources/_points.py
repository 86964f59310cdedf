"""What the sources of synthetic points share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from clfkit.data.bundle import Dataset

AtLeastTwo = Annotated[int, Field(ge=2)]
"""A number of classes, or anything else that one of makes no sense."""


def points(inputs: npt.NDArray[np.floating], labels: npt.NDArray[np.integer], classes: int) -> Dataset:
    """Points (N, D) with labels 0 … classes-1 as a dataset whose classes are called "0", "1", …"""
    from clfkit.data.bundle import ClassMap, Dataset

    names = ("x", "y") if inputs.shape[1] == 2 else tuple(f"x{axis + 1}" for axis in range(inputs.shape[1]))
    return Dataset(
        inputs.astype("float32"), labels.astype("int64"), ClassMap(names=tuple(map(str, range(classes)))),
        "vector", names,
    )  # fmt: skip


def arcs(outer: npt.NDArray[np.float64], inner: npt.NDArray[np.float64], noise: float, seed: int) -> Dataset:
    """Two curves (2, N) and (2, M) as classes 0 and 1, in random order and with Gaussian noise.

    Order and noise are drawn as scikit-learn draws them.
    """
    import numpy as np

    draw = scikit_draw(seed)
    inputs = np.concatenate([outer, inner], axis=1).T
    labels = np.repeat([0, 1], [outer.shape[1], inner.shape[1]])
    order = draw.permutation(len(labels))
    return points(inputs[order] + draw.normal(scale=noise, size=inputs.shape), labels[order], 2)


def scikit_draw(seed: int) -> np.random.RandomState:
    """The generator behind scikit-learn's `random_state=seed`, so that `data.seed: 42` gives the very points of
    `make_blobs(random_state=42)`. It takes 32 bits."""
    import numpy as np

    return np.random.RandomState(seed % 2**32)
