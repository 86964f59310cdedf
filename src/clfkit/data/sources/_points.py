"""What the sources of synthetic points share."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from clfkit.data.bundle import ClassMap, Dataset

AtLeastTwo = Annotated[int, Field(ge=2)]
"""A number of classes, or anything else that one of makes no sense."""


def points(inputs: npt.NDArray[np.floating], labels: npt.NDArray[np.integer], classes: int) -> Dataset:
    """Points (N, D) with labels 0 … classes-1 as a dataset whose classes are called "0", "1", …"""
    names = ("x", "y") if inputs.shape[1] == 2 else tuple(f"x{axis + 1}" for axis in range(inputs.shape[1]))
    return Dataset(
        inputs.astype(np.float32), labels.astype(np.int64), ClassMap(names=tuple(map(str, range(classes)))),
        "vector", names,
    )  # fmt: skip


def scikit_seed(seed: int) -> int:
    """The seed for scikit-learn's generators, which take 32 bits: `data.seed: 42` gives the very points of
    `make_blobs(random_state=42)`."""
    return seed % 2**32
