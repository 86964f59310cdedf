"""A linear model of the features."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clfkit.baselines import Learnable, TooLarge
from clfkit.calibration import softmax
from clfkit.components import baselines
from clfkit.data.bundle import FloatArray

MOST_PRODUCTS = 300_000_000  # samples × features × classes, of which each iteration takes four
ITERATIONS = 100


@baselines.register("logistic_regression")
def logistic_regression(train: Learnable, features: FloatArray) -> FloatArray:
    """Multinomial logistic regression with the ridge penalty of scikit-learn's default (C = 1), fitted by L-BFGS.

    In float32 and at most 100 iterations: its classes are about those of scikit-learn's, its probabilities nearly.

    Raises TooLarge where samples × features × classes pass 300 million.
    """
    samples, inputs = train.features.shape
    if samples * inputs * train.classes > MOST_PRODUCTS:
        raise TooLarge(f"{samples:,} samples × {inputs:,} features × {train.classes:,} classes")
    from scipy.optimize import minimize

    start = np.zeros((inputs + 1) * train.classes)
    fitted = minimize(_loss, start, (train,), "L-BFGS-B", jac=True, options={"maxiter": ITERATIONS}).x
    weights = fitted.reshape(inputs + 1, train.classes)
    return softmax(features @ weights[:-1] + weights[-1]).astype(np.float32)


def _loss(numbers: npt.NDArray[np.float64], train: Learnable) -> tuple[float, npt.NDArray[np.float64]]:
    """Mean loss and its gradient. numbers: ((D + 1) · K,) weights, the biases last, which bear no penalty."""
    samples, inputs = train.features.shape
    weights = numbers.reshape(inputs + 1, train.classes).astype(np.float32)
    found = softmax(train.features @ weights[:-1] + weights[-1])
    own = found[np.arange(samples), train.labels]
    loss = -np.log(np.maximum(own, np.finfo(np.float32).tiny)).mean(dtype=np.float64)
    found[np.arange(samples), train.labels] -= 1
    penalised = numbers[: -train.classes]
    gradient = np.concatenate(((train.features.T @ found).ravel(), found.sum(axis=0))).astype(np.float64) / samples
    gradient[: -train.classes] += penalised / samples
    return float(loss + (penalised**2).sum() / (2 * samples)), gradient
