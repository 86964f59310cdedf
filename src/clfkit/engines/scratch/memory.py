"""Memory that is allocated once and used again in every step."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SHAPES = 64
"""Number of shapes remembered: more than a layer has names and an experiment sizes of batches."""


class Memory:
    """Arrays by name. Asking again for a name gives the same memory, with whatever it holds by then.

    Fresh memory costs more than the arithmetic of a small layer. A batch that is smaller than those before (the last
    one of an epoch, the valid split) takes the front of what is there.
    """

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self.dtype = np.dtype(dtype)
        self._whole: dict[str, Array] = {}
        self._current: dict[str, Array] = {}
        self._shaped: dict[tuple[str, tuple[int, ...]], Array] = {}

    def __call__(
        self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike | None = None, fill: float | None = None
    ) -> Array:
        """An array of that shape. fill: the number that it is filled with whenever its shape changes."""
        array = self._current.get(name)
        if array is None or array.shape != shape:
            array = self._shaped.get((name, shape))
            if array is None:
                array = self._reshaped(name, shape, dtype or self.dtype)
            self._current[name] = array
            if fill is not None:
                array.fill(fill)
        return array

    @property
    def nbytes(self) -> int:
        """Bytes of all that was asked for."""
        return sum(whole.nbytes for whole in self._whole.values())

    def _reshaped(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        size = prod(shape)
        whole = self._whole.get(name)
        if whole is None or whole.size < size or len(self._shaped) >= SHAPES:
            self._shaped.clear()  # views of memory that is given up, or too many of them
        if whole is None or whole.size < size:
            whole = self._whole[name] = np.empty(size, dtype)
        array = self._shaped[name, shape] = whole[:size].reshape(shape)
        return array
