"""The small tables that scikit-learn carries with it."""

from __future__ import annotations

from typing import Literal

import numpy as np

from clfkit.data.bundle import ClassMap, Dataset


def bundled(name: Literal["iris", "wine", "breast_cancer"]) -> Dataset:
    """scikit-learn's table of that name, with its own names of classes and features."""
    from sklearn import datasets as sklearn_datasets

    table = getattr(sklearn_datasets, f"load_{name}")()
    return Dataset(
        inputs=table.data.astype(np.float32),
        labels=table.target.astype(np.int64),
        classes=ClassMap(names=tuple(map(str, table.target_names))),
        kind="vector",
        feature_names=tuple(map(str, table.feature_names)),
    )
