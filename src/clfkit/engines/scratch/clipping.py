"""The length of a gradient: whether it has one, and a limit on it."""

from __future__ import annotations

import math

import numpy as np

from clfkit.engines.scratch.memory import Array


def all_finite(loss: float, g: Array) -> bool:
    """Whether a loss and all numbers of its gradient are finite; mostly the gradient's square tells, in one pass."""
    return math.isfinite(loss) and (math.isfinite(float(np.dot(g, g))) or bool(np.isfinite(g).all()))


def clip_norm(g: Array, largest: float) -> None:
    """Scale a gradient down to the norm `largest` if it is longer. As torch does: by largest / (‖g‖ + 10⁻⁶)."""
    factor = largest / (math.sqrt(float(np.dot(g, g))) + 1e-6)
    if factor < 1:
        g *= factor
