"""Clipping: a limit on the length of a gradient."""

from __future__ import annotations

import math

import numpy as np

from clfkit.engines.scratch.memory import Array


def clip_norm(g: Array, largest: float) -> None:
    """Scale a gradient down to the norm `largest` if it is longer. As torch does: by largest / (‖g‖ + 10⁻⁶)."""
    factor = largest / (math.sqrt(float(np.dot(g, g))) + 1e-6)
    if factor < 1:
        g *= factor
