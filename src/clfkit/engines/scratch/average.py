"""The running average of a network's weights."""

from __future__ import annotations

import numpy as np

from clfkit.engines.averaging import Average
from clfkit.engines.scratch.network import Network


class ScratchAverage(Average):
    """See Average. All weights lie in one vector, so that following them is three operations."""

    def __init__(self, network: Network, decay: float) -> None:
        super().__init__(decay)
        statistics = [array for layer in network.layers for array in layer.statistics.values()]
        self._held = [network.weights, *(array for array in statistics if array.dtype.kind == "f")]
        self._kept = [array.copy() for array in self._held]
        self._spare = [np.empty_like(array) for array in self._held]

    @property
    def nbytes(self) -> int:
        """Bytes of the averages, and of as much to work in."""
        return sum(array.nbytes for array in (*self._kept, *self._spare))

    def _blend(self, share: float) -> None:
        for held, kept, spare in zip(self._held, self._kept, self._spare, strict=True):
            if share == 1:
                np.copyto(kept, held)
                continue
            np.subtract(held, kept, out=spare)
            spare *= share
            kept += spare

    def _swap(self) -> None:
        for held, kept, spare in zip(self._held, self._kept, self._spare, strict=True):
            np.copyto(spare, held)
            np.copyto(held, kept)
            np.copyto(kept, spare)
