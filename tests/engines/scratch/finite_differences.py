"""Central differences: what a derivative must be, from nothing but the function itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from clfkit.engines.scratch.memory import Array

STEP = 1e-5
"""Truncation errs by STEP², rounding by 1e-16 / STEP: both are far below the tolerance."""


def differences(function: Callable[[], float], array: Array) -> Array:
    """∂function/∂array at every number of the float64 array that the function looks at."""
    gradient = np.empty_like(array)
    for index in np.ndindex(array.shape):
        here = array[index]
        array[index] = here + STEP
        above = function()
        array[index] = here - STEP
        gradient[index] = (above - function()) / (2 * STEP)
        array[index] = here
    return gradient


def assert_gradients(
    function: Callable[[], float], arrays: Mapping[str, Array], gradients: Mapping[str, Array], tolerance: float = 1e-6
) -> None:
    """Fails naming the first array whose gradient differs by more than `tolerance` of its largest number."""
    for name, array in arrays.items():
        expected = differences(function, array)
        assert gradients[name].shape == expected.shape
        error = np.abs(gradients[name] - expected).max() / np.abs(expected).max()
        assert error < tolerance, f"{name}: {error:.1e}"
