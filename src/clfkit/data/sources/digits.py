"""Handwritten digits of 8×8 pixels that scikit-learn carries with it."""

from __future__ import annotations

import numpy as np

from clfkit.components import datasets
from clfkit.data.bundle import ClassMap, Dataset


@datasets.register("digits", inputs="image", classes=10)
def digits(seed: int) -> Dataset:
    """1797 handwritten digits as grey images of 8×8 pixels, uint8 (N, 1, 8, 8).

    The 17 levels of the original (0 to 16 dark pixels of a 4×4 block) are spread over 0 to 255.

    Source: Alpaydin and Kaynak, UCI Machine Learning Repository, 1998 (its test part), as scikit-learn carries it.
    """
    from sklearn.datasets import load_digits

    table = load_digits()
    images = np.rint(table.images * (255 / 16)).astype(np.uint8)
    return Dataset(images[:, None], table.target.astype(np.int64), ClassMap(names=tuple("0123456789")), "image")
