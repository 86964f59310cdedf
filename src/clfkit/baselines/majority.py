"""The most frequent class, whatever the sample."""

from __future__ import annotations

import numpy as np

from clfkit.baselines import Learnable
from clfkit.components import baselines
from clfkit.data.bundle import FloatArray


@baselines.register("majority")
def majority(train: Learnable, features: FloatArray) -> FloatArray:
    """Every class has the probability of its share of the train samples; so the most frequent one is said."""
    shares = np.bincount(train.labels, minlength=train.classes) / len(train.labels)
    return np.tile(shares.astype(np.float32), (len(features), 1))
